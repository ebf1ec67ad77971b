-- Where does a program of this name run?
-- tags: process, triage
-- param: name text -- the exact name of the process
SELECT pid, name, path, cmdline, uid, start_time
FROM processes
WHERE name = :name
