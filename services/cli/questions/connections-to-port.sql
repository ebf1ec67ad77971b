-- Which programs are connected with this port of another machine?
-- tags: network, triage
-- param: port integer
SELECT DISTINCT p.pid, p.name, p.path, s.remote_address, s.remote_port, s.state
FROM process_open_sockets AS s
JOIN processes AS p USING (pid)
WHERE s.remote_port = :port
