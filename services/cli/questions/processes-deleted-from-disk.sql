-- Which programs run that are gone from the disk?
-- target: os in (linux,darwin)
-- tags: process, malware
SELECT pid, name, path, cmdline, uid, start_time
FROM processes
WHERE on_disk = 0 AND path <> ''
