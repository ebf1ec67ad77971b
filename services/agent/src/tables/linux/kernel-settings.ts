import { lazy, type CollectRequest, type TableRow } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';

const SYSCTL = '/proc/sys';
/** Later ones count; of files with the same name those of earlier folders (sysctl.d(5)). */
const SYSCTL_FOLDERS = ['/etc/sysctl.d', '/run/sysctl.d', '/usr/local/lib/sysctl.d', '/usr/lib/sysctl.d'] as const;
const IPV6 = '/proc/sys/net/ipv6/conf';
const SELINUX = '/sys/fs/selinux';
const SELINUX_KEYS = ['checkreqprot', 'deny_unknown', 'enforce', 'mls', 'policyvers', 'reject_unknown'] as const;
const SELINUX_SCOPES = ['booleans', 'policy_capabilities', 'initial_contexts'] as const;
const APPARMOR = '/sys/kernel/security/apparmor/policy/profiles';
/** The kernel nests profiles and classes less deep. */
const MAX_DEPTH = 16;
const EFI_GLOBAL = '8be4df61-93ca-11d2-aa0d-00e098032b8c';

/** What the kernel is told to do, and what it enforces. */
export const KERNEL_SETTING_COLLECTORS: readonly Collector[] = [
  {
    table: 'system_controls',
    *collect(system, request) {
      const configured = request.memo('sysctl files', () => configuredControls(system));
      for (const path of controlPaths(system, request)) {
        request.checkpoint();
        const name = nameOf(path);
        yield {
          name,
          oid: '',
          subsystem: path.split('/')[0],
          current_value: lazy(() => system.head(`${SYSCTL}/${path}`, 64 * 1024)?.trim()),
          config_value: configured.get(name) ?? '',
          type: 'string',
        };
      }
    },
  },
  {
    table: 'interface_ipv6',
    *collect(system, request) {
      for (const name of system.list(IPV6)) {
        if (name === 'all' || name === 'default') continue;
        request.checkpoint();
        const value = (key: string): number | undefined => numberOf(system.word(`${IPV6}/${name}/${key}`));
        yield {
          interface: name,
          hop_limit: value('hop_limit'),
          forwarding_enabled: value('forwarding'),
          redirect_accept: value('accept_redirects'),
          rtadv_accept: value('accept_ra'),
        };
      }
    },
  },
  {
    table: 'selinux_settings',
    *collect(system) {
      if (!system.exists(`${SELINUX}/enforce`)) return;
      for (const key of SELINUX_KEYS) yield { scope: '', key, value: system.word(`${SELINUX}/${key}`) };
      for (const scope of SELINUX_SCOPES) {
        for (const key of system.list(`${SELINUX}/${scope}`)) {
          const value = system.word(`${SELINUX}/${scope}/${key}`);
          yield { scope, key, value: scope === 'booleans' ? switchOf(value) : value };
        }
      }
      for (const name of system.list(`${SELINUX}/class`)) {
        const permissions = system.list(`${SELINUX}/class/${name}/perms`);
        for (const value of permissions) yield { scope: 'class', key: `${name}/perms`, value };
      }
    },
  },
  {
    table: 'apparmor_profiles',
    *collect(system) {
      yield* profiles(system, APPARMOR, '', 0);
    },
  },
  {
    table: 'secureboot',
    *collect(system) {
      if (!system.exists('/sys/firmware/efi')) return;
      // Four bytes of attributes come first.
      const flag = (name: string): number => system.bytes(`/sys/firmware/efi/efivars/${name}-${EFI_GLOBAL}`)?.[4] ?? -1;
      yield { secure_boot: flag('SecureBoot'), setup_mode: flag('SetupMode') };
    },
  },
];

/** sysctl(8): dots and slashes change places, so that a dot in the name of an interface is a slash. */
function nameOf(path: string): string {
  return path.replace(/[./]/g, (mark) => (mark === '.' ? '/' : '.'));
}

function* controlPaths(system: System, request: CollectRequest): Iterable<string> {
  const names = request.equal('name');
  if (names !== undefined) {
    for (const name of new Set(names.map(String))) {
      const path = nameOf(name);
      const isBelow = path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
      if (isBelow && system.lstat(`${SYSCTL}/${path}`)?.isFile() === true) yield path;
    }
    return;
  }
  const subsystems = request.equal('subsystem')?.map(String);
  for (const top of system.list(SYSCTL))
    if (subsystems?.every((one) => one === top) !== false) yield* below(system, top, 0);
}

function* below(system: System, path: string, depth: number): Iterable<string> {
  const stat = system.lstat(`${SYSCTL}/${path}`);
  if (stat?.isFile() === true) yield path;
  if (stat?.isDirectory() !== true || depth > MAX_DEPTH) return;
  for (const name of system.list(`${SYSCTL}/${path}`)) yield* below(system, `${path}/${name}`, depth + 1);
}

function configuredControls(system: System): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const folder of SYSCTL_FOLDERS.toReversed()) {
    for (const name of system.list(folder)) if (name.endsWith('.conf')) files.set(name, `${folder}/${name}`);
  }
  const sorted = [...files].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, path]) => path);
  const values = new Map<string, string>();
  for (const path of [...sorted, '/etc/sysctl.conf']) {
    for (const line of (system.text(path) ?? '').split('\n')) {
      const [, key, value] = /^\s*-?\s*([^#;\s=][^\s=]*)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
      if (key !== undefined && value !== undefined) values.set(dotted(key), value);
    }
  }
  return values;
}

/** The first mark decides which of the two stands between the parts. */
function dotted(key: string): string {
  return key[key.search(/[./]/)] === '/' ? nameOf(key) : key;
}

function numberOf(word: string | undefined): number | undefined {
  return word !== undefined && /^-?\d+$/.test(word) ? Number(word) : undefined;
}

/** Two numbers: what is, and what will be. */
function switchOf(value: string | undefined): string | undefined {
  return value === '1 1' ? 'on' : value === '0 0' ? 'off' : value;
}

function* profiles(system: System, folder: string, parent: string, depth: number): Iterable<TableRow> {
  if (depth > MAX_DEPTH) return;
  for (const entry of system.list(folder)) {
    const base = `${folder}/${entry}`;
    const name = system.word(`${base}/name`);
    if (name === undefined) continue;
    const word = (key: string): string => system.word(`${base}/${key}`) ?? '';
    const path = parent === '' ? name : `${parent}//${name}`;
    yield { path, name, attach: word('attach'), mode: word('mode'), sha1: word('sha1'), sha256: word('sha256') };
    yield* profiles(system, `${base}/profiles`, name, depth + 1);
  }
}
