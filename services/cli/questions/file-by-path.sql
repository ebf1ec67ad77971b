-- Where is this file, and since when?
-- tags: file, triage
-- param: path text
SELECT path, size, mode, uid, gid, mtime, ctime
FROM file
WHERE path = :path
