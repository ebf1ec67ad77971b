import { type Check, SEVERITIES } from '../format/pack-schema.js';
import { idFrom, type ImportedChecks, type ImportNote, lineFrom, platformsFrom, type SourceFile } from './imported.js';
import { NoteTaker } from './note-taker.js';

const KNOWN = new Set(['platform', 'platforms', 'severity', 'tags', 'remediation', 'references']);

/**
 * A SELECT with comments above it, as chainguard-dev/osquery-defense-kit has them: the first line says what it finds,
 * lines of `-- key: value` hold `platform`, `tags`, `severity`, `remediation`. A row means fail.
 */
export function importSqlFile({ name: file, text }: SourceFile): ImportedChecks {
  const notes: ImportNote[] = [];
  const id = idFrom(file.replace(/\.sql$/i, ''));
  const head: string[] = [];
  const lines = text.split(/\r?\n/);
  for (const line of lines) {
    if (line.trim() !== '' && !line.trimStart().startsWith('--')) break;
    head.push(line.trim().replace(/^--\s?/, ''));
  }
  const taker = new NoteTaker(id, notes);
  const sql = taker.statement(lines.slice(head.length).join('\n'), 'has no statement');
  if (sql === undefined) return { checks: [], notes };
  const { values, prose } = readHead(head);
  const { platforms, rest } = platformsFrom(values.get('platform') ?? values.get('platforms'));
  if (rest.length > 0) taker.note(`platform ${rest.join(', ')} is not known here`);
  if (platforms.length === 0) return { checks: [], notes };
  const severity = SEVERITIES.find((one) => one === values.get('severity')?.toLowerCase());
  if (values.has('severity') && severity === undefined)
    taker.note(`severity ${lineFrom(values.get('severity') ?? '', 40)} is not known; it is taken as medium`);
  taker.keys(Object.fromEntries(values), KNOWN);
  const words = (values.get('tags') ?? '').split(/[\s,]+/).filter((tag) => tag !== '');
  const tags = taker.list(words.map(idFrom), 'its tags', 20);
  const urls = taker.references(prose.join('\n').match(/https?:\/\/[^\s)>"']{4,}/g) ?? [], 'url');
  const techniques = taker.references(prose.join('\n').match(/\bT\d{4}(?:\.\d{3})?\b/g) ?? [], 'mitre');
  const description = taker.text(prose.join('\n'), 'its description');
  const remediation = taker.text(values.get('remediation'), 'its remediation');
  const check: Check = {
    ...{ id, title: taker.title(prose.find((one) => one.trim() !== '') ?? id), severity: severity ?? 'medium' },
    ...{ platforms: [...platforms], sql, row_means: 'fail' },
    ...(description === undefined ? {} : { description }),
    ...(tags.length === 0 ? {} : { tags }),
    ...(remediation === undefined ? {} : { remediation }),
    ...(urls.length + techniques.length === 0
      ? {}
      : {
          references: {
            ...(urls.length > 0 ? { url: urls } : {}),
            ...(techniques.length > 0 ? { mitre: techniques } : {}),
          },
        }),
  };
  return { checks: [check], notes };
}

function readHead(lines: readonly string[]): { values: Map<string, string>; prose: string[] } {
  const values = new Map<string, string>();
  const prose: string[] = [];
  for (const line of lines) {
    const [, key, value] = /^([a-z_]{2,20}):\s*(\S.*)$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined && key !== 'http' && key !== 'https') values.set(key, value.trim());
    else prose.push(line);
  }
  return { values, prose };
}
