-- Which processes did this one start?
-- tags: process, triage
-- param: pid integer
SELECT pid, name, path, cmdline, uid, start_time
FROM processes
WHERE parent = :pid
