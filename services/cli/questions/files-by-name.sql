-- Is there a file of this name below this folder?
-- tags: file, triage
-- param: name text
-- param: folder text = /home
-- timeout: 1m
SELECT path, size, uid, mtime
FROM file
WHERE path LIKE :folder || '/%%' AND filename = :name
