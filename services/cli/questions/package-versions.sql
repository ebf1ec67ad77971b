-- Which versions of each package are out there, where there is more than one?
-- target: os=linux
-- tags: package
-- group
-- timeout: 1m
-- reduce: SELECT name, count(*) AS versions, sum(endpoints) AS endpoints, group_concat(version, ' ') AS which
--   FROM rows GROUP BY name HAVING count(*) > 1 ORDER BY versions DESC, name LIMIT 50
SELECT name, version FROM deb_packages
