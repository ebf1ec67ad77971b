-- Is there a file with this content below this folder?
-- tags: file, malware
-- param: sha256 text
-- param: folder text = /usr/local
-- timeout: 1m
SELECT f.path, f.size, f.mtime, h.sha256
FROM file AS f
JOIN hash AS h ON h.path = f.path
WHERE f.path LIKE :folder || '/%%' AND f.type = 'regular' AND h.sha256 = lower(:sha256)
