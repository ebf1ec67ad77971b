import type { TableRow } from '@muster/tables';
import type { Collector } from '../contract/collector.js';
import type { System } from '../contract/system.js';
import { aptListName, type AptSource, parseDeb822Sources, parseSourcesList } from './parse/apt.js';
import { type Paragraph, parseParagraphs } from './parse/dpkg.js';

const FOLDER = '/etc/apt/sources.list.d';
const LISTS = '/var/lib/apt/lists';

export const aptSources: Collector = {
  table: 'apt_sources',
  *collect(system) {
    const drops = system.list(FOLDER).map((name) => `${FOLDER}/${name}`);
    for (const file of ['/etc/apt/sources.list', ...drops]) {
      for (const source of parseSources(file, system)) yield sourceRow(system, file, source);
    }
  },
};

function parseSources(file: string, system: System): AptSource[] {
  if (file.endsWith('.list')) return parseSourcesList(system.text(file) ?? '');
  return file.endsWith('.sources') ? parseDeb822Sources(system.text(file) ?? '') : [];
}

function sourceRow(system: System, source: string, { uri, release, components, architectures }: AptSource): TableRow {
  const index = downloadedRelease(system, { uri, release, components, architectures });
  return {
    name: `${uri.replace(/^[a-z+]+:\/+/i, '').replace(/\/+$/, '')} ${release}`,
    source,
    base_uri: uri,
    release,
    version: index?.get('version') ?? '',
    maintainer: index?.get('origin') ?? '',
    components,
    architectures: architectures === '' ? (index?.get('architectures') ?? '') : architectures,
  };
}

/** The head of the index that apt downloaded last. The file hashes after it are not needed. */
function downloadedRelease(system: System, source: AptSource): Paragraph | undefined {
  const headBytes = 4_096;
  const base = `${LISTS}/${aptListName(source)}`;
  const text = system.head(`${base}_InRelease`, headBytes) ?? system.head(`${base}_Release`, headBytes);
  if (text === undefined) return undefined;
  for (const paragraph of parseParagraphs(text))
    if (paragraph.has('suite') || paragraph.has('origin')) return paragraph;
  return undefined;
}
