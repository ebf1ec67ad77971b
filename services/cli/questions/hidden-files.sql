-- Which files below this folder have a name that begins with a dot?
-- target: os in (linux,darwin)
-- tags: file, malware
-- param: folder text = /tmp
SELECT path, type, size, uid, mtime
FROM file
WHERE path LIKE :folder || '/%%' AND filename LIKE '.%' AND filename NOT IN ('.', '..')
