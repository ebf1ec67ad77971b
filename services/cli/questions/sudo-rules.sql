-- Who may run what as somebody else?
-- target: os in (linux,darwin)
-- tags: account, privilege
-- group
SELECT source, header, rule_details
FROM sudoers
WHERE header NOT LIKE 'Defaults%'
