/** The tables of an endpoint's page, with the columns that tell a row apart, so that actions can be bound to it. */
export const TABLES = [
  {
    id: 'processes',
    name: 'Processes',
    sql: 'SELECT pid, name, path, cmdline, uid, resident_size, user_time + system_time AS cpu_ms, start_time, parent FROM processes',
  },
  {
    id: 'sockets',
    name: 'Sockets',
    sql: 'SELECT pid, protocol, local_address, local_port, remote_address, remote_port, state, family FROM process_open_sockets',
  },
  {
    id: 'ports',
    name: 'Ports',
    sql: 'SELECT l.pid, p.name, l.protocol, l.address, l.port FROM listening_ports l LEFT JOIN processes p USING (pid)',
  },
  {
    id: 'software',
    name: 'Software',
    sql: {
      linux: 'SELECT name, version, arch, source, size FROM deb_packages',
      windows: 'SELECT name, version, publisher, install_date FROM programs',
      darwin: 'SELECT name, bundle_short_version, bundle_identifier, path FROM apps',
    },
  },
  {
    id: 'services',
    name: 'Services',
    sql: {
      linux: 'SELECT id, description, load_state, active_state, sub_state, fragment_path FROM systemd_units',
      windows: 'SELECT name, display_name, status, start_type, path, pid FROM services',
      darwin: 'SELECT label, path, program, run_at_load FROM launchd',
    },
  },
  { id: 'users', name: 'Users', sql: 'SELECT username, uid, gid, description, directory, shell FROM users' },
  { id: 'sessions', name: 'Logged in', sql: 'SELECT type, user, tty, host, time, pid FROM logged_in_users' },
  {
    id: 'quarantine',
    name: 'Quarantine',
    sql: 'SELECT id, path, sha256, size, taken_at, command FROM quarantine',
    empty: 'Nothing is in quarantine',
  },
  { id: 'isolation', name: 'Isolation', sql: 'SELECT * FROM isolation', empty: 'It is not isolated' },
] as const;

export type Platform = 'linux' | 'windows' | 'darwin';

export function sqlFor(sql: (typeof TABLES)[number]['sql'], os: Platform): string {
  return typeof sql === 'string' ? sql : sql[os];
}
