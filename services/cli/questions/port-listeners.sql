-- Which program listens on this port?
-- tags: network, triage
-- param: port integer -- the port to look for
SELECT DISTINCT p.pid, p.name, p.path, l.protocol, l.address, l.port
FROM listening_ports AS l
JOIN processes AS p USING (pid)
WHERE l.port = :port
