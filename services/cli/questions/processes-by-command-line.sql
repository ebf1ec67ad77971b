-- Which processes have this text in their command line?
-- tags: process, triage
-- param: text text
SELECT pid, name, path, cmdline, uid, start_time
FROM processes
WHERE instr(cmdline, :text) > 0
