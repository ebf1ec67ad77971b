/** A rule as an SQL expression, or why there is none. */
export type TranslatedRule =
  { readonly ok: true; readonly sql: string } | { readonly ok: false; readonly reason: string };

type RegexKind = 'osregex' | 'pcre2';

/** Rows with a column `line`, and whether they are there at all. */
interface Source {
  readonly rows: string;
}

const refuse = (reason: string): TranslatedRule => ({ ok: false, reason });

/**
 * Translates one rule of a Wazuh SCA policy: `[not ]f:FILE[ -> CONTENT]`, and the same for `d:` (folders), `p:`
 * (processes), `r:` (registry) and `c:` (the output of a command, for commands that a table answers).
 */
export function translateRule(rule: string, regex: RegexKind): TranslatedRule {
  const [, negated, kind = '', rest = ''] = /^\s*(not\s+|!)?([fdprc]):(.*)$/s.exec(rule) ?? [];
  if (kind === '') return refuse(`"${rule.slice(0, 80)}" is no rule`);
  const [target = '', ...contents] = rest.split(/\s+->\s+/).map((part) => part.trim());
  const found = exists(kind, target, contents, regex);
  if (!found.ok) return found;
  return { ok: true, sql: negated === undefined ? found.sql : `NOT ${found.sql}` };
}

function exists(kind: string, target: string, contents: readonly string[], regex: RegexKind): TranslatedRule {
  switch (kind) {
    case 'f':
      return anyOf(target.split(',').map((path) => inFile(path.trim(), contents, regex)));
    case 'd':
      return anyOf(target.split(',').map((path) => inFolder(path.trim(), contents, regex)));
    case 'p':
      if (contents.length > 0) return refuse('a process has no content');
      return {
        ok: true,
        sql: `EXISTS (SELECT 1 FROM processes WHERE ${target.startsWith('r:') ? matches('name', target, regex) : `name = ${text(target)} OR path = ${text(target)}`})`,
      };
    case 'r':
      return inRegistry(target, contents, regex);
    default:
      return inCommand(target, contents, regex);
  }
}

function anyOf(all: readonly TranslatedRule[]): TranslatedRule {
  const sqls: string[] = [];
  for (const one of all) {
    if (!one.ok) return one;
    sqls.push(one.sql);
  }
  return { ok: true, sql: sqls.length === 1 ? (sqls[0] ?? '') : `(${sqls.join(' OR ')})` };
}

function inFile(path: string, contents: readonly string[], regex: RegexKind): TranslatedRule {
  if (!path.startsWith('/') && !/^[A-Za-z]:\\/.test(path)) return refuse(`"${path.slice(0, 80)}" is no absolute path`);
  const where = path.includes('*') ? `path LIKE ${text(path.replaceAll('*', '%'))}` : `path = ${text(path)}`;
  const [content, ...more] = contents;
  if (more.length > 0) return refuse('a file has one content');
  if (content === undefined) return { ok: true, sql: `EXISTS (SELECT 1 FROM file WHERE ${where})` };
  return lineMatches({ rows: `SELECT line FROM file_lines WHERE ${where}` }, content, regex);
}

function inFolder(path: string, [name, content, ...more]: readonly string[], regex: RegexKind): TranslatedRule {
  if (more.length > 0) return refuse('a folder has names of files and one content');
  if (name === undefined)
    return { ok: true, sql: `EXISTS (SELECT 1 FROM file WHERE path = ${text(path)} AND type = 'directory')` };
  const named = matches('filename', name, regex);
  if (content === undefined)
    return { ok: true, sql: `EXISTS (SELECT 1 FROM file WHERE directory = ${text(path)} AND ${named})` };
  const rows = `SELECT line FROM file_lines WHERE path LIKE ${text(`${path.replace(/\/$/, '')}/%`)} AND path IN (SELECT path FROM file WHERE directory = ${text(path)} AND ${named})`;
  return lineMatches({ rows }, content, regex);
}

function inRegistry(key: string, [name, data, ...more]: readonly string[], regex: RegexKind): TranslatedRule {
  if (more.length > 0) return refuse('a registry key has one value and its data');
  const full = key.replace(/^HKLM\\/i, 'HKEY_LOCAL_MACHINE\\').replace(/^HKCU\\/i, 'HKEY_CURRENT_USER\\');
  const at = `key = ${text(full)}`;
  if (name === undefined) return { ok: true, sql: `EXISTS (SELECT 1 FROM registry WHERE ${at})` };
  const named = /^!?r:/.test(name) ? matches('name', name, regex) : `name = ${text(name)} COLLATE NOCASE`;
  if (data === undefined) return { ok: true, sql: `EXISTS (SELECT 1 FROM registry WHERE ${at} AND ${named})` };
  return lineMatches({ rows: `SELECT data AS line FROM registry WHERE ${at} AND ${named}` }, data, regex);
}

/** Commands whose output a table has, and lines as the command writes them. */
const COMMANDS: readonly (readonly [pattern: RegExp, lines: (match: RegExpExecArray) => string])[] = [
  [
    /^(?:\/\S*\/)?sysctl (?:-n )?([a-z0-9_.]+)$/,
    ([command, name = '']) =>
      `SELECT ${command?.includes(' -n ') === true ? 'current_value' : `name || ' = ' || current_value`} AS line FROM system_controls WHERE name = ${text(name)}`,
  ],
  [/^(?:\/\S*\/)?lsmod$/, () => `SELECT name || ' ' || size || ' ' || used_by AS line FROM kernel_modules`],
  [
    /^systemctl is-enabled ([A-Za-z0-9@_.:-]+)$/,
    ([, unit = '']) => `SELECT unit_file_state AS line FROM systemd_units WHERE id = ${text(unitName(unit))}`,
  ],
  [
    /^systemctl (?:is-active|show -p ActiveState) ([A-Za-z0-9@_.:-]+)$/,
    ([, unit = '']) => `SELECT active_state AS line FROM systemd_units WHERE id = ${text(unitName(unit))}`,
  ],
  [
    /^dpkg(?:-query)? -s ([a-z0-9.+-]+)$/,
    ([, name = '']) => `SELECT 'Status: ' || status AS line FROM deb_packages WHERE name = ${text(name)}`,
  ],
  [
    /^rpm -q ([A-Za-z0-9._+-]+)$/,
    ([, name = '']) =>
      `SELECT name || '-' || version || '-' || release || '.' || arch AS line FROM rpm_packages WHERE name = ${text(name)}`,
  ],
  [
    /^(?:\/\S*\/)?mount$/,
    () => `SELECT device || ' on ' || path || ' type ' || type || ' (' || flags || ')' AS line FROM mounts`,
  ],
  [
    /^findmnt (?:-n |--kernel )*(\/\S*)$/,
    ([, path = '']) =>
      `SELECT path || ' ' || device || ' ' || type || ' ' || flags AS line FROM mounts WHERE path = ${text(path)}`,
  ],
  [/^cat (\/[^\s;|&<>$\x60*]+)$/, ([, path = '']) => `SELECT line FROM file_lines WHERE path = ${text(path)}`],
];

function inCommand(command: string, [content, ...more]: readonly string[], regex: RegexKind): TranslatedRule {
  for (const [pattern, lines] of COMMANDS) {
    const match = pattern.exec(command);
    if (match === null) continue;
    if (content === undefined || more.length > 0) return refuse(`the status of the command "${command}" is not known`);
    return lineMatches({ rows: lines(match) }, content, regex);
  }
  return refuse(`the command "${command.slice(0, 120)}" is not run; no table has what it writes`);
}

function unitName(name: string): string {
  return /\.[a-z]+$/.test(name) ? name : `${name}.service`;
}

/** One line has to match all parts of `A && !B && n:REGEX compare <= 4`. */
function lineMatches({ rows }: Source, content: string, regex: RegexKind): TranslatedRule {
  const conditions: string[] = [];
  for (const part of content.split(/\s+&&\s+/)) {
    const [, number] = /^n:(.*)$/s.exec(part) ?? [];
    if (number === undefined) {
      conditions.push(matches('line', part, regex));
      continue;
    }
    const [, pattern, operator, value] = /^(.*)\s+compare\s+(<=|>=|==|!=|<|>)\s+(-?\d+)$/s.exec(number) ?? [];
    if (pattern === undefined || operator === undefined) return refuse(`"${part.slice(0, 80)}" compares nothing`);
    const group = `regex_match(line, ${text(patternOf(pattern, regex))}, 1)`;
    conditions.push(
      `(${group} IS NOT NULL AND CAST(${group} AS INTEGER) ${operator === '==' ? '=' : operator} ${value})`,
    );
  }
  return { ok: true, sql: `EXISTS (SELECT 1 FROM (${rows}) WHERE ${conditions.join(' AND ')})` };
}

/** `r:REGEX`, `!r:REGEX`, `TEXT` or `!TEXT`. */
function matches(column: string, part: string, regex: RegexKind): string {
  const [, not = '', isRegex, body = ''] = /^(!)?(r:)?(.*)$/s.exec(part) ?? [];
  const sql =
    isRegex === undefined
      ? `${column} = ${text(body)}`
      : `regex_match(${column}, ${text(patternOf(body, regex))}, 0) IS NOT NULL`;
  return not === '' ? sql : `NOT (${sql})`;
}

/** OSRegex is another language: `\.` is any character, and a dot is a dot. It ignores case. */
function patternOf(pattern: string, regex: RegexKind): string {
  if (regex === 'pcre2') return pattern.replaceAll('\\h', '[ \\t]');
  return pattern.replaceAll(/\\.|[.[\](){}?]/gs, (part) => {
    if (part === '\\.') return '.';
    if (part === '\\p') return '[^\\w\\s]';
    if (part === '\\t') return '\\t';
    if (part.startsWith('\\') && /[wdsWDS]/.test(part)) return part;
    if (part === '(' || part === ')') return part;
    return part.startsWith('\\') ? part : `\\${part}`;
  });
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}
