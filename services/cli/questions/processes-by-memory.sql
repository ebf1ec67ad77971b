-- Which processes hold more memory than this?
-- tags: process, health
-- param: megabytes integer = 1024
SELECT pid, name, path, resident_size / 1048576 AS megabytes
FROM processes
WHERE resident_size > 1048576 * :megabytes
