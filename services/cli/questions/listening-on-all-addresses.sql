-- What can be reached from outside, as far as the address says?
-- tags: network, exposure
-- group
SELECT DISTINCT p.name, p.path, l.protocol, l.address, l.port
FROM listening_ports AS l
JOIN processes AS p USING (pid)
WHERE l.address IN ('0.0.0.0', '::') AND l.port > 0
