-- What are the hashes of these files?
-- tags: file, triage
-- param: paths list -- paths between commas, or a JSON array
-- group
SELECT path, sha256, md5
FROM hash
WHERE path IN (SELECT value FROM json_each(:paths))
