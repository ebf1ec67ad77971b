-- Which name servers are asked, and by how many machines?
-- target: os in (linux,darwin)
-- tags: network
-- group
SELECT address
FROM dns_resolvers
WHERE type = 'nameserver'
