const HIVES: Readonly<Record<string, string>> = {
  HKLM: 'HKEY_LOCAL_MACHINE',
  HKU: 'HKEY_USERS',
  HKCU: 'HKEY_CURRENT_USER',
  HKCC: 'HKEY_CURRENT_CONFIG',
  HKCR: 'HKEY_CLASSES_ROOT',
};
const LONG_NAMES = new Set(Object.values(HIVES));

export interface RegistryKey {
  /** Long name of the hive. */
  readonly hive: string;
  /** Without the hive and without leading or trailing backslashes. */
  readonly subkey: string;
}

/** Parses the path of a key. `undefined` when it is invalid or has an empty part. */
export function parseRegistryKey(path: string): RegistryKey | undefined {
  const [first = '', ...parts] = path.split('\\');
  const upper = first.toUpperCase();
  const hive = HIVES[upper] ?? (LONG_NAMES.has(upper) ? upper : undefined);
  if (hive === undefined || parts.length === 0 || parts.some((part) => part === '' || part.length > 255))
    return undefined;
  return { hive, subkey: parts.join('\\') };
}

export function formatRegistryKey({ hive, subkey }: RegistryKey): string {
  return `${hive}\\${subkey}`;
}

/** Windows or the agent cannot start without these keys. They and their parents are never deleted. */
const CRITICAL = [
  'SYSTEM\\CurrentControlSet\\Control',
  'SYSTEM\\CurrentControlSet\\Services\\MusterAgent',
  'SYSTEM\\CurrentControlSet\\Services\\RpcSs',
  'SYSTEM\\Setup',
  'SOFTWARE\\Microsoft\\Windows\\CurrentVersion',
  'SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon',
  'SOFTWARE\\Classes',
  'SAM\\SAM',
  'SECURITY\\Policy',
].map((key) => key.toLowerCase());

/** Returns why a key must not be deleted, or `undefined`. */
export function criticalReason({ hive, subkey }: RegistryKey): string | undefined {
  const key = subkey.toLowerCase();
  if (!key.includes('\\')) return 'it is at the top of its hive';
  if (
    hive === 'HKEY_LOCAL_MACHINE' &&
    CRITICAL.some((critical) => critical === key || critical.startsWith(`${key}\\`))
  ) {
    return 'Windows does not run without it';
  }
  // CurrentControlSet is a link to one of these.
  if (hive === 'HKEY_LOCAL_MACHINE' && /^system\\(currentcontrolset|controlset\d+)(\\(control|services))?$/.test(key)) {
    return 'Windows does not run without it';
  }
  return undefined;
}
