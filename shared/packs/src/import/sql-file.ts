import { type Check, SEVERITIES } from '../format/pack-schema.js';
import {
  idFrom,
  type ImportedChecks,
  type ImportNote,
  lineFrom,
  platformsFrom,
  type SourceFile,
  textFrom,
} from './imported.js';

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
  const sql = textFrom(lines.slice(head.length).join('\n'), 16_384)?.replace(/;\s*$/, '');
  if (sql === undefined) return { checks: [], notes: [{ subject: id, message: 'has no statement' }] };
  const { values, prose } = readHead(head);
  const { platforms, rest } = platformsFrom(values.get('platform') ?? values.get('platforms'));
  if (rest.length > 0) notes.push({ subject: id, message: `platform ${rest.join(', ')} is not known here` });
  if (platforms.length === 0) return { checks: [], notes };
  const severity = SEVERITIES.find((one) => one === values.get('severity')?.toLowerCase());
  for (const key of values.keys())
    if (!['platform', 'platforms', 'severity', 'tags', 'remediation', 'references'].includes(key))
      notes.push({ subject: id, message: `"${lineFrom(key, 40)}" is not taken over` });
  const tags = [
    ...new Set(
      (values.get('tags') ?? '')
        .split(/[\s,]+/)
        .filter((tag) => tag !== '')
        .map(idFrom),
    ),
  ].slice(0, 20);
  const urls = [...new Set(prose.join('\n').match(/https?:\/\/[^\s)>"']{4,480}/g) ?? [])].slice(0, 40);
  const techniques = [...new Set(prose.join('\n').match(/\bT\d{4}(?:\.\d{3})?\b/g) ?? [])].slice(0, 40);
  const description = textFrom(prose.join('\n'));
  const remediation = textFrom(values.get('remediation'));
  const check: Check = {
    ...{ id, title: lineFrom(prose.find((one) => one.trim() !== '') ?? id), severity: severity ?? 'medium' },
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
