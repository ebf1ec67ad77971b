import type { Readings, TextRow } from './box/compare-rows.js';

/** A difference of one table, because Muster's row is the right one, or says more. */
export interface TableDifference {
  readonly what: string;
  /** Whether it is still there: a row of osquery's, and what Muster has in its place. */
  readonly shows: (osquery: readonly TextRow[], muster: readonly TextRow[]) => boolean;
  /** What is left of a row of osquery's, or of Muster's, without the difference. `undefined`: no row. */
  readonly osquery?: (row: TextRow) => TextRow | undefined;
  readonly muster?: (row: TextRow) => TextRow | undefined;
  /** osquery's rows count once each. */
  readonly once?: true;
}

/** Why rows stay different, and in which tables. */
export interface KnownDifference {
  readonly why: string;
  readonly tables: Readonly<Record<string, TableDifference>>;
}

const without =
  (...columns: string[]) =>
  (row: TextRow): TextRow => ({ ...row, ...Object.fromEntries(columns.map((column) => [column, ''])) });

const columnOf = (rows: readonly TextRow[], column: string): string[] => rows.map((row) => row[column] ?? '');

const FOLDER = { path: '/etc/truth/folder', directory: '/etc/truth', filename: 'folder' };
const OWN_INFO = ['pid', 'uuid', 'instance_id', 'version', 'build_distro', 'start_time'];

const has = (rows: readonly TextRow[], column: string, value: string): boolean =>
  columnOf(rows, column).includes(value);

/** osquery has only the first of the two, Muster only the second. */
const instead =
  (column: string, theirs: string, ours: string): TableDifference['shows'] =>
  (osquery, muster) =>
    has(osquery, column, theirs) && !has(osquery, column, ours) && has(muster, column, ours);

const more: TableDifference['shows'] = (osquery, muster) => muster.length > osquery.length;

/** At most fifteen. docs/sql.md has them for people. */
export const KNOWN: readonly KnownDifference[] = [
  {
    why: 'a value that osquery cuts or leaves out is there',
    tables: {
      dns_resolvers: {
        what: 'address: a server with an IPv6 address has it',
        shows: instead('address', '', '2001:db8::53'),
        muster: (row) => ((row['address'] ?? '').includes(':') ? { ...row, address: '' } : row),
      },
      docker_container_processes: {
        what: 'start_time is a time, and a kilobyte has 1,024 bytes',
        shows: instead('resident_size', '10240000', '10485760'),
        osquery: without('start_time', 'resident_size', 'total_size'),
        muster: without('start_time', 'resident_size', 'total_size'),
      },
      etc_protocols: {
        what: 'alias: all of them, not the first alone',
        shows: instead('alias', 'RSPF', 'RSPF CPHB'),
        muster: (row) => ({ ...row, alias: (row['alias'] ?? '').split(' ')[0] ?? '' }),
      },
      interface_details: {
        what: 'type is not cut to eight bits, and the loopback has no PCI slot of "-1"',
        shows: instead('type', '4', '772'),
        osquery: (row) => ({ ...row, pci_slot: row['pci_slot'] === '-1' ? '' : (row['pci_slot'] ?? '') }),
        muster: (row) => ({ ...row, type: String(Number(row['type']) & 0xff) }),
      },
      iptables: {
        what: 'packets, bytes: of the rule, not of its chain',
        shows: (osquery, muster) => muster.length === 0 || osquery.length === muster.length,
        osquery: (row) => (row['target'] === '' ? row : without('packets', 'bytes')(row)),
        muster: (row) => (row['target'] === '' ? row : without('packets', 'bytes')(row)),
      },
      listening_ports: {
        what: 'socket: a Unix socket has its number',
        shows: (osquery, muster) => has(osquery, 'socket', '0') && !has(muster, 'socket', '0'),
        muster: (row) => (row['family'] === '1' ? { ...row, socket: '0' } : row),
      },
      pci_devices: {
        what: 'pci_class, pci_subclass: also of classes that have no programming interfaces',
        shows: (osquery, muster) =>
          muster.length === 0 || columnOf(osquery, 'pci_class').join('') !== columnOf(muster, 'pci_class').join(''),
        osquery: without('pci_class', 'pci_subclass'),
        muster: without('pci_class', 'pci_subclass'),
      },
      smbios_tables: {
        what: 'size, md5: the last structure has its end, too',
        shows: (osquery, muster) => osquery.at(-1)?.['size'] === '4' && muster.at(-1)?.['size'] === '6',
        osquery: (row) => (row['type'] === '127' ? without('size', 'md5')(row) : row),
        muster: (row) => (row['type'] === '127' ? without('size', 'md5')(row) : row),
      },
      user_groups: {
        what: 'uid: as in users, also above 2147483647',
        shows: instead('uid', '-2', '4294967294'),
        osquery: (row) => (row['uid'] === '-2' ? { ...row, uid: '4294967294' } : row),
      },
      user_ssh_keys: {
        what: 'key_type: also of keys of type ed25519',
        shows: instead('key_type', '', 'ed25519'),
        muster: (row) => (row['key_type'] === 'ed25519' ? { ...row, key_type: '' } : row),
      },
    },
  },
  {
    why: 'a row that osquery leaves out is there',
    tables: {
      cpu_info: {
        what: 'processors are there without SMBIOS, too',
        shows: more,
        muster: () => undefined,
      },
      npm_packages: {
        what: 'packages within packages are there',
        shows: more,
        muster: (row) => (row['path']?.split('/node_modules/').length === 2 ? row : undefined),
      },
      process_open_pipes: {
        what: 'one end of a pipe that several processes hold is there, with nobody in sight at the other',
        shows: more,
        muster: (row) => (row['partner_pid'] === '' ? undefined : row),
      },
      systemd_units: {
        what: 'the files of units are there where systemd does not run, too',
        shows: (osquery, muster) => osquery.length === 0 && muster.length > 0,
        muster: () => undefined,
      },
    },
  },
  {
    why: 'LIKE: names that begin with a dot match, and a folder is written without a slash at its end',
    tables: {
      file: {
        what: 'rows of LIKE; btime is there; a broken link is a symlink',
        shows: (osquery, muster) =>
          more(osquery, muster) &&
          has(osquery, 'path', '/etc/truth/folder/') &&
          columnOf(osquery, 'btime').every((time) => time === '0') &&
          columnOf(muster, 'btime').some((time) => Number(time) > 1) &&
          has(osquery, 'type', 'unknown'),
        osquery: (row) => ({
          ...row,
          ...(row['path'] === '/etc/truth/folder/' && FOLDER),
          btime: '',
          type: row['type'] === 'unknown' ? 'symlink' : (row['type'] ?? ''),
        }),
        muster: (row) => (row['path']?.includes('/.') === true ? undefined : without('btime')(row)),
      },
      hash: {
        what: 'rows of LIKE',
        shows: more,
        muster: (row) => (row['path']?.includes('/.') === true ? undefined : row),
      },
    },
  },
  {
    why: 'what this agent is, and not an osquery',
    tables: {
      osquery_info: {
        what: 'process, version, build and ids are those of the agent',
        shows: instead('build_distro', 'centos7', 'muster'),
        osquery: without(...OWN_INFO),
        muster: without(...OWN_INFO),
      },
    },
  },
  {
    why: 'variables of containers are in docker_container_envs alone, because they may hold secrets',
    tables: {
      docker_containers: {
        what: 'env_variables',
        shows: instead('env_variables', 'PATH=/bin, OPTIONS=a=b, EMPTY=', ''),
        osquery: without('env_variables'),
      },
    },
  },
  {
    why: 'a value that is not there is empty, and not the text "null"',
    tables: {
      firefox_addons: {
        what: 'creator, description, path, source_url',
        shows: instead('path', 'null', ''),
        osquery: (row) =>
          Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value === 'null' ? '' : value])),
      },
    },
  },
  {
    why: 'each setting is there once, with what sysctl.d says of it, whatever comes before its name',
    tables: {
      system_controls: {
        what: 'rows, and config_value of a name that begins with a hyphen',
        shows: (osquery, muster) =>
          osquery.length > muster.length &&
          muster.some((row) => row['name'] === 'net.ipv4.ip_forward' && row['config_value'] === '0'),
        muster: (row) => (row['name'] === 'net.ipv4.ip_forward' ? { ...row, config_value: '' } : row),
        once: true,
      },
    },
  },
  {
    why: 'components and release: the words of the line, not all that the archive has, and its code name',
    tables: {
      apt_sources: {
        what: 'rows',
        shows: (osquery, muster) =>
          columnOf(osquery, 'components').includes('main contrib') && columnOf(muster, 'components').includes('main'),
        osquery: without('components', 'release'),
        muster: without('components', 'release'),
      },
    },
  },
  {
    why: 'the other end of a point-to-point address is no broadcast address, and the loopback has none',
    tables: {
      interface_addresses: {
        what: 'rows',
        shows: (osquery, muster) =>
          columnOf(osquery, 'broadcast').includes('10.20.0.9') &&
          columnOf(muster, 'point_to_point').includes('10.20.0.9'),
        osquery: (row) => {
          if (row['interface'] === 'lo') return { ...row, point_to_point: '' };
          return row['broadcast'] === '10.20.0.9' ? { ...row, broadcast: '', point_to_point: '10.20.0.9' } : row;
        },
      },
    },
  },
  {
    why: 'distributions that are one file are there, values may have a colon, and Author-email and License-Expression count',
    tables: {
      python_packages: {
        what: 'rows',
        shows: (osquery, muster) => muster.length > osquery.length,
        osquery: without('summary', 'author', 'license'),
        muster: (row) =>
          row['path']?.endsWith('/file-1.0.egg-info') === true
            ? undefined
            : without('summary', 'author', 'license')(row),
      },
    },
  },
  {
    why: 'netmask: the route to one host has 32 or 128, not 0',
    tables: {
      routes: {
        what: 'rows',
        shows: (osquery, muster) =>
          !columnOf(osquery, 'netmask').includes('128') && columnOf(muster, 'netmask').includes('128'),
        muster: (row) => (['32', '128'].includes(row['netmask'] ?? '') ? { ...row, netmask: '0' } : row),
      },
    },
  },
  {
    why: 'status: disabled where no runlevel starts it; arguments are in args',
    tables: {
      startup_items: {
        what: 'rows',
        shows: (osquery, muster) =>
          !columnOf(osquery, 'status').includes('disabled') && columnOf(muster, 'status').includes('disabled'),
        muster: (row) => ({ ...row, status: 'enabled', path: `${row['path']} ${row['args']}`.trim(), args: '' }),
      },
    },
  },
  {
    why: 'uuid: none is made up where the machine has none; cpu_brand: the name that the kernel has',
    tables: {
      system_info: {
        what: 'rows',
        shows: (osquery, muster) =>
          JSON.stringify([osquery[0]?.['uuid'], osquery[0]?.['cpu_brand']]) !==
          JSON.stringify([muster[0]?.['uuid'], muster[0]?.['cpu_brand']]),
        osquery: without('uuid', 'cpu_brand'),
        muster: without('uuid', 'cpu_brand'),
      },
    },
  },
];

/** Both sides without the differences that are known. */
export function withoutKnown(table: string, { before, theirs, after }: Readings): Readings {
  const known = KNOWN.flatMap(({ tables }) => tables[table] ?? []);
  const settle = (rows: readonly TextRow[], side: 'osquery' | 'muster'): TextRow[] =>
    rows.flatMap((row) =>
      known.reduce<TextRow[]>((kept, one) => kept.flatMap((each) => settled(one[side], each)), [row]),
    );
  const once = known.some((one) => one.once === true);
  const settledTheirs = settle(theirs, 'osquery');
  return {
    before: settle(before, 'muster'),
    theirs: once ? distinct(settledTheirs) : settledTheirs,
    after: settle(after, 'muster'),
  };
}

function distinct(rows: readonly TextRow[]): TextRow[] {
  return [...new Map(rows.map((row) => [JSON.stringify(row), row])).values()];
}

function settled(change: ((row: TextRow) => TextRow | undefined) | undefined, row: TextRow): TextRow[] {
  const left = change === undefined ? row : change(row);
  return left === undefined ? [] : [left];
}
