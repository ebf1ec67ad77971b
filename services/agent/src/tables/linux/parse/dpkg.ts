import type { TableRow } from '@muster/tables';

/** Fields of one paragraph of a Debian control file. Names are in lower case; continuation lines are joined with line breaks. */
export type Paragraph = ReadonlyMap<string, string>;

/** Parses deb822(5), the format of dpkg's status, apt's sources and Release files. */
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

const FIELDS = {
  name: 'Package',
  version: 'Version',
  source: 'Source',
  size: 'Installed-Size',
  arch: 'Architecture',
  status: 'Status',
  maintainer: 'Maintainer',
  section: 'Section',
  priority: 'Priority',
} as const;

/**
 * Parses dpkg's status file. The file has megabytes, so it is not split in lines: each field is searched from one
 * package to the next. Packages without a version were never installed and are skipped.
 */
export function* parseDpkgStatus(status: string): Iterable<TableRow> {
  const text = withFieldNames(status);
  const scans = Object.values(FIELDS).map((field) => new FieldScan(text, field));
  for (let start = 0; start < text.length;) {
    const gap = text.indexOf('\n\n', start);
    const end = gap < 0 ? text.length : gap;
    const values = new Map(scans.map((scan) => [scan.field, scan.within(start, end)]));
    start = end + 2;
    const name = values.get(FIELDS.name);
    const version = values.get(FIELDS.version);
    if (name !== undefined && version !== undefined) yield toPackage(name, version, values);
  }
}

const BY_LOWER_CASE: ReadonlyMap<string, string> = new Map(
  Object.values(FIELDS).map((field) => [field.toLowerCase(), field]),
);
const NAMED = new RegExp(`^(${Object.values(FIELDS).join('|')}):`, 'gim');

/** To dpkg the case of a field's name is nothing. */
function withFieldNames(text: string): string {
  return text.replaceAll(NAMED, (_, name: string) => `${BY_LOWER_CASE.get(name.toLowerCase()) ?? name}:`);
}

/** Finds one field in consecutive paragraphs. Remembers the next position, so that the text is searched once. */
class FieldScan {
  readonly field: string;
  readonly #text: string;
  readonly #marker: string;
  #next: number;

  constructor(text: string, field: string) {
    this.field = field;
    this.#text = text;
    this.#marker = `\n${field}:`;
    // The first line has no line break before it. -1 is its virtual position.
    this.#next = -1;
    if (!text.startsWith(`${field}:`)) this.#advance();
  }

  within(start: number, end: number): string | undefined {
    while (this.#next < start - 1) this.#advance();
    if (this.#next >= end) return undefined;
    const from = this.#next + this.#marker.length;
    const lineEnd = this.#text.indexOf('\n', from);
    return this.#text.slice(from, lineEnd < 0 || lineEnd > end ? end : lineEnd).trim();
  }

  #advance(): void {
    const found = this.#text.indexOf(this.#marker, Math.max(0, this.#next + 1));
    this.#next = found < 0 ? Infinity : found;
  }
}

function toPackage(name: string, version: string, fields: ReadonlyMap<string, string | undefined>): TableRow {
  const size = fields.get(FIELDS.size);
  return {
    name,
    version,
    source: fields.get(FIELDS.source) ?? '',
    size: size === undefined ? undefined : Number(size),
    arch: fields.get(FIELDS.arch) ?? '',
    revision: version.includes('-') ? version.slice(version.lastIndexOf('-') + 1) : '',
    status: fields.get(FIELDS.status) ?? '',
    maintainer: fields.get(FIELDS.maintainer) ?? '',
    section: fields.get(FIELDS.section) ?? '',
    // As libdpkg has it, and osquery by it.
    priority: fields.get(FIELDS.priority) ?? 'unknown',
  };
}
