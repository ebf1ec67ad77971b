import type { DynamicWords } from '../completion/dynamic.js';
import type { Completion } from '../terminal/line-editor.js';

const COMMANDS = [
  '.tables',
  '.schema',
  '.target',
  '.group',
  '.timeout',
  '.output',
  '.help',
  '.quit',
  '\\x',
  '\\timing',
  '\\q',
];
const KEYWORDS = [
  'SELECT',
  'FROM',
  'WHERE',
  'JOIN',
  'USING',
  'GROUP BY',
  'ORDER BY',
  'LIMIT',
  'LIKE',
  'AND',
  'OR',
  'NOT',
  'NULL',
];

/**
 * What may follow: commands at the start, tables after FROM, JOIN and `.schema`, else columns of the tables that are
 * named, and keywords.
 */
export async function completeLine(sql: string, words: Pick<DynamicWords, 'tables' | 'columns'>): Promise<Completion> {
  const typed = /[^\s,()=<>]*$/.exec(sql)?.[0] ?? '';
  if (sql === typed && /^[.\\]/.test(typed)) return [matching(COMMANDS, typed), typed];
  const before = sql.slice(0, sql.length - typed.length);
  if (/(?:\b(?:from|join)|^\.schema|^\.tables)\s+$/i.test(before))
    return [matching(await words.tables(), typed), typed];
  return [matching([...new Set(await words.columns(sql)), ...KEYWORDS], typed), typed];
}

function matching(candidates: readonly string[], typed: string): string[] {
  const start = typed.toLowerCase();
  return candidates.filter((word) => word.toLowerCase().startsWith(start));
}
