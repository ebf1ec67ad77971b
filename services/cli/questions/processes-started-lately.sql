-- What was started in the last minutes?
-- tags: process, triage
-- param: minutes integer = 60
SELECT pid, name, path, cmdline, uid, start_time
FROM processes
WHERE start_time > CAST(strftime('%s', 'now') AS INTEGER) - 60 * :minutes
