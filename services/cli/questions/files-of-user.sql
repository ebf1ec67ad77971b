-- Which files below this folder belong to this user?
-- target: os in (linux,darwin)
-- tags: file, account
-- param: username text
-- param: folder text = /tmp
-- timeout: 1m
SELECT f.path, f.size, f.mtime
FROM file AS f
JOIN users AS u ON u.uid = f.uid
WHERE f.path LIKE :folder || '/%%' AND u.username = :username
