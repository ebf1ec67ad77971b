-- Which accounts have a shell to log in with?
-- target: os in (linux,darwin)
-- tags: account
-- group
SELECT username, uid, shell, directory
FROM users
WHERE shell <> '' AND shell NOT LIKE '%/nologin' AND shell NOT LIKE '%/false' AND shell NOT LIKE '%/sync'
