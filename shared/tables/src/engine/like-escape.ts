import { sqlTokens } from './sql-text.js';

/** What may stand before `column LIKE …` so that the comparison can be put into parentheses. */
const BEFORE = new Set(['where', 'and', 'or', 'on', 'having', '(']);
const NAME = /^(?:[\p{L}_]|["`[])/u;

interface Token {
  readonly text: string;
  readonly index: number;
}

/**
 * SQLite passes `column LIKE pattern` to a table, but not `column LIKE pattern ESCAPE character`. This adds a second
 * comparison without ESCAPE to each such comparison of a column with constants. Its pattern has `_` for each escaped
 * character, so that it matches no less: `path LIKE '/a\%b%' ESCAPE '\'` becomes `(path LIKE '/a\%b%' ESCAPE '\' AND
 * path LIKE '/a_b%')`.
 */
export function withPushableLikes(sql: string): string {
  const tokens = [...sqlTokens(sql)].filter(({ text }) => !text.startsWith('--') && !text.startsWith('/*'));
  // In `x BETWEEN 1 AND path LIKE …` the AND is no conjunction.
  if (tokens.some(({ text }) => /^between$/i.test(text))) return sql;
  let out = '';
  let copied = 0;
  for (const [at, token] of tokens.entries()) {
    const [pattern, escape, character] = [tokens[at + 1], tokens[at + 2], tokens[at + 3]];
    if (!/^like$/i.test(token.text) || !/^escape$/i.test(escape?.text ?? '')) continue;
    const [wanted, escaping] = [literal(pattern), literal(character)];
    const column = columnBefore(tokens, at);
    if (wanted === undefined || escaping === undefined || column === undefined || character === undefined) continue;
    const end = character.index + character.text.length;
    const name = sql.slice(column.index, token.index).trimEnd();
    const loose = unescaped(wanted, escaping).replaceAll("'", "''");
    out += `${sql.slice(copied, column.index)}(${sql.slice(column.index, end)} AND ${name} LIKE '${loose}')`;
    copied = end;
  }
  return out + sql.slice(copied);
}

/** The first token of `name` or `name.name` before the token at `like`. */
function columnBefore(tokens: readonly Token[], like: number): Token | undefined {
  let first = like - 1;
  while (tokens[first - 1]?.text === '.') first -= 2;
  const column = tokens[first];
  const before = tokens[first - 1];
  if (column === undefined || before === undefined || !BEFORE.has(before.text.toLowerCase())) return undefined;
  return NAME.test(column.text) && !BEFORE.has(column.text.toLowerCase()) ? column : undefined;
}

function literal(token: Token | undefined): string | undefined {
  const match = /^(['"])([\s\S]*)\1$/.exec(token?.text ?? '');
  return match?.[2]?.replaceAll(`${match[1]}${match[1]}`, match[1] ?? '');
}

function unescaped(pattern: string, escaping: string): string {
  const characters = Array.from(pattern);
  let loose = '';
  for (let i = 0; i < characters.length; i += 1) {
    if (characters[i] !== escaping) {
      loose += characters[i];
      continue;
    }
    i += 1;
    if (i < characters.length) loose += '_';
  }
  return loose;
}
