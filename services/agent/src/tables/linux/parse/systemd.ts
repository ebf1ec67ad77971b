/** Blocks of `Key=value` lines, separated by empty lines, as `systemctl show` prints them for several units. */
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

/** What a unit file says about itself: the keys of its sections, the last value of each. */
export interface UnitFile {
  readonly description: string;
  readonly user: string;
  readonly sourcePath: string;
  /** Has an [Install] section, so that it can be enabled. */
  readonly installable: boolean;
}

/** systemd.unit(5) */
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

/** The object of a unit on D-Bus: every character but letters and digits becomes `_` and its code in hex. */
export function unitObjectPath(id: string): string {
  const escaped = Array.from(Buffer.from(id), (byte, index) => {
    const character = String.fromCharCode(byte);
    const plain = index === 0 ? /[A-Za-z]/ : /[A-Za-z0-9]/;
    return plain.test(character) ? character : `_${byte.toString(16).padStart(2, '0')}`;
  });
  return `/org/freedesktop/systemd1/unit/${escaped.join('')}`;
}

/** A desktop entry (freedesktop.org), its main section only. */
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
