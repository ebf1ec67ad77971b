-- What is started with the machine or with a session?
-- tags: persistence
-- group
SELECT name, path, args, type, source, status, username
FROM startup_items
