-- Which keys may log in by SSH, as whom, and on how many machines?
-- target: os in (linux,darwin)
-- tags: account, persistence
-- group
SELECT u.username, k.algorithm, k.comment, k.key_file
FROM users AS u
JOIN authorized_keys AS k ON k.uid = u.uid
