-- Which machines have less memory than this?
-- tags: inventory
-- param: megabytes integer = 2048
SELECT hostname, physical_memory / 1048576 AS megabytes
FROM system_info
WHERE CAST(physical_memory AS INTEGER) < 1048576 * :megabytes
