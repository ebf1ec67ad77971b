-- Which files may be run in places where anybody may write?
-- target: os in (linux,darwin)
-- tags: file, malware
-- param: folder text = /tmp
SELECT path, mode, size, uid, mtime
FROM file
WHERE path LIKE :folder || '/%%' AND type = 'regular' AND substr(mode, -3, 1) IN ('1', '3', '5', '7')
