-- Which operating systems are out there?
-- tags: inventory
-- group
SELECT name, version, platform, arch
FROM os_version
