-- What does cron run?
-- target: os in (linux,darwin)
-- tags: persistence
-- group
SELECT minute, hour, day_of_month, month, day_of_week, command, path
FROM crontab
