-- On which ports does this program listen?
-- tags: network
-- param: name text -- the name of its process
SELECT DISTINCT p.pid, l.protocol, l.address, l.port
FROM listening_ports AS l
JOIN processes AS p USING (pid)
WHERE p.name = :name AND l.port > 0
