-- Which machines were not restarted for so many days?
-- tags: inventory, health
-- param: days integer = 30
SELECT days, hours
FROM uptime
WHERE days >= :days
