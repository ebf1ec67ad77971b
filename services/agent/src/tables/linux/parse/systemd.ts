/** Parses `systemctl show` for several units: blocks of `Key=value` lines, separated by empty lines. */
export function* parseShow(text: string): Iterable<Map<string, string>> {
  for (const block of text.split(/\n\n+/)) {
    const values = new Map<string, string>();
    for (const line of block.split('\n')) {
      const equals = line.indexOf('=');
      if (equals > 0) values.set(line.slice(0, equals), line.slice(equals + 1));
    }
    if (values.size > 0) yield values;
  }
}

/** What a unit file says, with what its drop-ins change. */
export interface UnitFile {
  readonly description: string;
  readonly user: string;
  readonly sourcePath: string;
  /** [Install] has something that `systemctl enable` makes links for. */
  readonly isInstallable: boolean;
  /** [Install] names other units. */
  readonly hasAlso: boolean;
  /** Names that enabling gives it. */
  readonly aliases: readonly string[];
  /** Of a template: the instance that enabling makes. */
  readonly defaultInstance: string;
}

const INSTALL_KEYS = ['WantedBy', 'RequiredBy', 'UpheldBy', 'Alias'] as const;

/** Parses systemd.unit(5): the texts of a unit file and of its drop-ins, in their order. */
export function parseUnitFile(...texts: readonly string[]): UnitFile {
  const values = new Map<string, string[]>();
  for (const [key, value] of texts.flatMap((text) => [...assignments(text)])) {
    // An empty value forgets those before it.
    if (value === '') values.set(key, []);
    else values.set(key, [...(values.get(key) ?? []), value]);
  }
  const last = (key: string): string => values.get(key)?.at(-1) ?? '';
  const words = (key: string): string[] => (values.get(`Install.${key}`) ?? []).flatMap((one) => one.split(/\s+/));
  return {
    description: last('Unit.Description'),
    user: last('Service.User'),
    sourcePath: last('Unit.SourcePath'),
    isInstallable: INSTALL_KEYS.some((key) => words(key).length > 0),
    hasAlso: words('Also').length > 0,
    aliases: words('Alias'),
    defaultInstance: last('Install.DefaultInstance'),
  };
}

/** Pairs of `Section.Key` and value. */
function* assignments(text: string): Iterable<readonly [key: string, value: string]> {
  let section = '';
  for (const line of unitLines(text)) {
    const header = /^\[(.+)\]$/.exec(line);
    const equals = line.indexOf('=');
    if (header !== null) section = header[1] ?? '';
    else if (equals > 0) yield [`${section}.${line.slice(0, equals).trim()}`, line.slice(equals + 1).trim()];
  }
}

/** A backslash at the end continues a line, but no comment; comments may stand between the parts. */
function* unitLines(text: string): Iterable<string> {
  let begun = '';
  for (const raw of text.split('\n')) {
    if (/^\s*[#;]/.test(raw)) continue;
    const whole = begun + raw;
    const backslashes = /\\*$/.exec(whole)?.[0].length ?? 0;
    begun = backslashes % 2 === 1 ? `${whole.slice(0, -1)} ` : '';
    if (begun === '') yield whole.trim();
  }
  if (begun !== '') yield begun.trim();
}

/** D-Bus object path of a unit. Characters other than letters and digits become `_` and their hex code. */
export function unitObjectPath(id: string): string {
  const escaped = Array.from(Buffer.from(id), (byte, index) => {
    const character = String.fromCharCode(byte);
    const plain = index === 0 ? /[A-Za-z]/ : /[A-Za-z0-9]/;
    return plain.test(character) ? character : `_${byte.toString(16).padStart(2, '0')}`;
  });
  return `/org/freedesktop/systemd1/unit/${escaped.join('')}`;
}

/** Parses the main section of a desktop entry (freedesktop.org). */
export function parseDesktopEntry(text: string): Map<string, string> {
  const values = new Map<string, string>();
  let inside = false;
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    if (line.startsWith('[')) inside = line === '[Desktop Entry]';
    const equals = line.indexOf('=');
    if (inside && equals > 0 && !line.startsWith('#'))
      values.set(line.slice(0, equals).trim(), line.slice(equals + 1).trim());
  }
  return values;
}
