-- Which programs listen on which ports, and on how many machines?
-- tags: network
-- group
SELECT DISTINCT p.name, l.protocol, l.address, l.port
FROM listening_ports AS l
JOIN processes AS p USING (pid)
WHERE l.port > 0
