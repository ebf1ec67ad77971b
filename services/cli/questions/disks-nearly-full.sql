-- Which file systems have less than this share left?
-- target: os in (linux,darwin)
-- tags: health
-- param: percent number = 10
SELECT path, type, round(100.0 * blocks_available / blocks, 1) AS percent_left
FROM mounts
WHERE blocks > 0 AND 100.0 * blocks_available / blocks < :percent
