-- Which programs are connected with this address?
-- tags: network, triage
-- param: address text -- IPv4 or IPv6
SELECT DISTINCT p.pid, p.name, p.path, s.local_port, s.remote_address, s.remote_port, s.state
FROM process_open_sockets AS s
JOIN processes AS p USING (pid)
WHERE s.remote_address = :address
