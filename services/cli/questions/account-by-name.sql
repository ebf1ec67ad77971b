-- Which machines have an account of this name?
-- tags: account, triage
-- param: username text
SELECT username, uid, gid, shell, directory
FROM users
WHERE username = :username
