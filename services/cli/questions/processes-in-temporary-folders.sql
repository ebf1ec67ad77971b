-- Which programs run from places where anybody may write?
-- target: os in (linux,darwin)
-- tags: process, malware
SELECT pid, name, path, cmdline, uid, start_time
FROM processes
WHERE path LIKE '/tmp/%' OR path LIKE '/var/tmp/%' OR path LIKE '/dev/shm/%'
