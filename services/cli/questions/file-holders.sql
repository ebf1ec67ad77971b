-- Which processes have this file open?
-- target: os in (linux,darwin)
-- tags: process, file
-- param: path text
SELECT p.pid, p.name, p.path AS program, f.path
FROM process_open_files AS f
JOIN processes AS p USING (pid)
WHERE f.path = :path
