/** Questions as published packs ask them, each over several tables. */
export const JOINS: Readonly<Record<string, string>> = {
  'ports and who has them':
    'SELECT p.name, l.port, l.address, u.username FROM listening_ports l JOIN processes p USING (pid) LEFT JOIN users u ON u.uid = p.uid WHERE l.port != 0',
  'connections of processes':
    'SELECT p.name, s.remote_address, s.remote_port, pp.name AS parent FROM process_open_sockets s JOIN processes p ON p.pid = s.pid LEFT JOIN processes pp ON pp.pid = p.parent WHERE s.remote_port != 0 AND s.family = 2',
  'deleted programs that run':
    'SELECT p.pid, p.name, p.path, u.username FROM processes p LEFT JOIN users u USING (uid) WHERE p.on_disk = 0',
  'hashes of what runs':
    "SELECT DISTINCT h.path, h.sha256 FROM (SELECT DISTINCT path FROM processes WHERE path LIKE '/usr/bin/%') p JOIN hash h ON h.path = p.path",
  'members of groups':
    'SELECT u.username, g.groupname FROM users u JOIN user_groups ug USING (uid) JOIN groups g USING (gid)',
  'parents of parents':
    'SELECT p.pid, p.name, a.name AS one, b.name AS two FROM processes p LEFT JOIN processes a ON a.pid = p.parent LEFT JOIN processes b ON b.pid = a.parent',
  'files that are open':
    'SELECT p.name, count(*) AS files FROM process_open_files f JOIN processes p USING (pid) GROUP BY p.pid ORDER BY files DESC',
  'memory that runs and has no file':
    "SELECT p.pid, p.name, count(*) AS regions FROM processes p JOIN process_memory_map m ON m.pid = p.pid WHERE m.permissions LIKE '%x%' AND m.path = '' GROUP BY p.pid",
  'namespaces that differ':
    'SELECT p.pid, p.name FROM process_namespaces n JOIN processes p USING (pid) WHERE n.net_namespace != (SELECT net_namespace FROM process_namespaces WHERE pid = 1)',
  'programs of packages':
    "SELECT f.path, f.mode FROM file f WHERE f.directory IN ('/usr/bin', '/usr/sbin') AND f.mode LIKE '4%'",
};
