-- Which machines have this package, in which version?
-- target: os=linux
-- tags: package, triage
-- param: name text
-- group
SELECT name, version, arch
FROM deb_packages
WHERE name = :name
