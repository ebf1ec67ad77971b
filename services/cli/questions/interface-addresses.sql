-- Which machines have this address, or any of a block?
-- tags: network
-- param: block text = 0.0.0.0/0 -- such as 10.1.0.0/16
SELECT interface, address, mask
FROM interface_addresses
WHERE CASE WHEN instr(:block, ':') = 0 AND instr(address, ':') = 0 THEN in_cidr_block(:block, address) END = 1
