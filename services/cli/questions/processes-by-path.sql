-- Where does this program run?
-- tags: process, triage
-- param: path text -- the path of the program
SELECT pid, name, path, cmdline, uid, start_time
FROM processes
WHERE path = :path
