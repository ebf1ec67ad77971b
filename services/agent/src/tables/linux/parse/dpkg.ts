/** Fields of one paragraph of a Debian control file; names in lower case, folded lines joined with line breaks. */
export type Paragraph = ReadonlyMap<string, string>;

/** deb822(5): the format of dpkg's status, of apt's sources and of a repository's Release. */
export function* parseParagraphs(text: string): Iterable<Paragraph> {
  let fields = new Map<string, string>();
  let last = '';
  for (const line of text.split('\n')) {
    if (line.trim() === '') {
      if (fields.size > 0) yield fields;
      fields = new Map();
      last = '';
    } else if (line.startsWith(' ') || line.startsWith('\t')) {
      if (last !== '') fields.set(last, `${fields.get(last) ?? ''}\n${line.trim()}`);
    } else if (!line.startsWith('#')) {
      const colon = line.indexOf(':');
      if (colon < 0) continue;
      last = line.slice(0, colon).toLowerCase();
      fields.set(last, line.slice(colon + 1).trim());
    }
  }
  if (fields.size > 0) yield fields;
}

/** A package of dpkg's status file. */
export interface DebPackage {
  readonly name: string;
  readonly version: string;
  readonly source: string;
  readonly size: number | undefined;
  readonly arch: string;
  readonly revision: string;
  readonly status: string;
  readonly maintainer: string;
  readonly section: string;
  readonly priority: string;
}

const WANTED = /^(Package|Version|Source|Installed-Size|Architecture|Status|Maintainer|Section|Priority): ?(.*)$/gm;

/**
 * The status file is megabytes of descriptions and file hashes, so only the wanted lines are looked at. Packages that are known but
 * have no version were never installed.
 */
export function* parseDpkgStatus(text: string): Iterable<DebPackage> {
  for (let start = 0; start < text.length;) {
    const gap = text.indexOf('\n\n', start);
    const end = gap < 0 ? text.length : gap;
    const fields: Record<string, string> = {};
    for (const [, name = '', value = ''] of text.slice(start, end).matchAll(WANTED)) fields[name] = value.trim();
    start = end + 2;
    if (fields['Package'] === undefined || fields['Version'] === undefined) continue;
    yield toPackage(fields['Package'], fields['Version'], fields);
  }
}

function toPackage(name: string, version: string, fields: Readonly<Record<string, string>>): DebPackage {
  const size = fields['Installed-Size'];
  return {
    name,
    version,
    source: fields['Source'] ?? '',
    size: size === undefined ? undefined : Number(size),
    arch: fields['Architecture'] ?? '',
    revision: version.includes('-') ? version.slice(version.lastIndexOf('-') + 1) : '',
    status: fields['Status'] ?? '',
    maintainer: fields['Maintainer'] ?? '',
    section: fields['Section'] ?? '',
    priority: fields['Priority'] ?? '',
  };
}
