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

/** A unit file. When a key repeats, its last value applies. */
export interface UnitFile {
  readonly description: string;
  readonly user: string;
  readonly sourcePath: string;
  /** Has an [Install] section and can be enabled. */
  readonly installable: boolean;
}

/** Parses systemd.unit(5). */
export function parseUnitFile(text: string): UnitFile {
  const values = new Map<string, string>();
  let section = '';
  for (const raw of text.replace(/\\\n/g, ' ').split('\n')) {
    const line = raw.trim();
    const header = /^\[(.+)\]$/.exec(line);
    if (header !== null) {
      section = header[1] ?? '';
      values.set(`${section}.`, '');
    } else if (line !== '' && !/^[#;]/.test(line)) {
      const equals = line.indexOf('=');
      if (equals > 0) values.set(`${section}.${line.slice(0, equals).trim()}`, line.slice(equals + 1).trim());
    }
  }
  return {
    description: values.get('Unit.Description') ?? '',
    user: values.get('Service.User') ?? '',
    sourcePath: values.get('Unit.SourcePath') ?? '',
    installable: values.has('Install.'),
  };
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
