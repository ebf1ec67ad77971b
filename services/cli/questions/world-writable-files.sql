-- Which files below this folder may anybody write?
-- target: os in (linux,darwin)
-- tags: file, privilege
-- param: folder text = /etc
SELECT path, mode, uid
FROM file
WHERE path LIKE :folder || '/%%' AND type = 'regular' AND substr(mode, -1) IN ('2', '3', '6', '7')
