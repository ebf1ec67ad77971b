-- What do hosts files say besides the machine itself?
-- tags: network, tampering
-- group
SELECT address, hostnames
FROM etc_hosts
WHERE address NOT LIKE '127.%' AND address NOT IN ('::1', 'fe00::0', 'ff00::0', 'ff02::1', 'ff02::2')
