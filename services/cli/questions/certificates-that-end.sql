-- Which certificates end within so many days?
-- tags: inventory
-- param: days integer = 30
-- group
SELECT common_name, issuer, not_valid_after, path
FROM certificates
WHERE CAST(not_valid_after AS INTEGER) BETWEEN CAST(strftime('%s', 'now') AS INTEGER) AND CAST(strftime('%s', 'now') AS INTEGER) + 86400 * :days
