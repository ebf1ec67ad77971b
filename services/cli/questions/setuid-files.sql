-- Which programs below this folder run as their owner, whoever starts them?
-- target: os in (linux,darwin)
-- tags: file, privilege
-- param: folder text = /usr/bin
-- group
SELECT path, mode, uid
FROM file
WHERE path LIKE :folder || '/%%' AND type = 'regular' AND mode LIKE '4%' AND length(mode) = 4
