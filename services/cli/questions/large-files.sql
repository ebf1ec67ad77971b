-- Which files below this folder are larger than this?
-- tags: file, health
-- param: folder text = /var/log
-- param: megabytes integer = 100
-- timeout: 1m
SELECT path, size / 1048576 AS megabytes, uid, mtime
FROM file
WHERE path LIKE :folder || '/%%' AND type = 'regular' AND size > 1048576 * :megabytes
