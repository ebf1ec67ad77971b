-- Which files below this folder were written in the last hours?
-- target: os in (linux,darwin)
-- tags: file, tampering
-- param: folder text = /etc
-- param: hours integer = 24
-- timeout: 1m
SELECT path, size, uid, mtime
FROM file
WHERE path LIKE :folder || '/%%' AND type = 'regular' AND mtime > CAST(strftime('%s', 'now') AS INTEGER) - 3600 * :hours
