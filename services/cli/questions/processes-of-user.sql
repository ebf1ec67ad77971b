-- Which processes run as this user?
-- tags: process, account
-- param: username text
SELECT p.pid, p.name, p.path, p.cmdline, p.start_time
FROM processes AS p
JOIN users AS u ON u.uid = p.uid
WHERE u.username = :username
