-- Where do packages come from, and on how many machines?
-- target: os=linux
-- tags: package
-- group
SELECT DISTINCT base_uri, release, components
FROM apt_sources
