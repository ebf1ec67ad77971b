-- Who is in this group?
-- tags: account, privilege
-- param: group text = sudo
-- group
SELECT u.username, u.uid, g.groupname
FROM groups AS g
JOIN user_groups AS m ON m.gid = g.gid
JOIN users AS u ON u.uid = m.uid
WHERE g.groupname = :group
