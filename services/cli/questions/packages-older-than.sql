-- Which machines have this package in an older version than this?
-- target: os=linux
-- tags: package, vulnerability
-- param: name text
-- param: version text -- the first version that is right
SELECT name, version, arch
FROM deb_packages
WHERE name = :name AND version < :version COLLATE version_dpkg
