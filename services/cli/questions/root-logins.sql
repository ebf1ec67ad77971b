-- Who may become root without being root? Accounts with user id 0, and their shells.
-- target: os in (linux,darwin)
-- tags: account, privilege
SELECT username, uid, shell, directory
FROM users
WHERE uid = 0
