/** A rule, or an include of another file or folder. */
export type SudoersLine =
  | { readonly kind: 'rule'; readonly header: string; readonly details: string }
  | {
      readonly kind: 'include' | 'includedir';
      readonly header: string;
      readonly details: string;
      readonly path: string;
    };

/** Parses sudoers(5). A backslash continues a line, but no comment. `#include` and `#` with a user id are not comments. */
export function parseSudoers(text: string): SudoersLine[] {
  return logicalLines(text).flatMap((raw): SudoersLine[] => {
    const line = raw.trim();
    const include = /^([@#](include|includedir))\s+(.+)$/.exec(line);
    // The older spelling counts at the beginning of a line alone.
    if (include !== null && (raw.startsWith('#') || line.startsWith('@'))) {
      const [, header = '', kind, details = ''] = include;
      const path = unquote(PATH.exec(details)?.[0] ?? details);
      return [{ kind: kind === 'include' ? 'include' : 'includedir', header, details, path }];
    }
    if (line === '' || COMMENT.test(line)) return [];
    const rule = FIRST_WORD.exec(line);
    return [{ kind: 'rule', header: rule?.[1] ?? '', details: rule?.[2] ?? '' }];
  });
}

/** A user's name may have blanks, in quotation marks or behind a backslash. */
const FIRST_WORD = /^((?:"[^"]*"|\\.|[^\s"\\])+|\S+)\s*(.*)$/s;
/** What is behind it may be a comment. */
const PATH = /^(?:"(?:[^"\\]|\\.)*"|(?:\\.|[^\s"\\])+)/;
/** `#` with a number is a user. */
const COMMENT = /^#(?!-?\d)/;

/** Lines with those that a backslash at the end adds to them. */
function logicalLines(text: string): string[] {
  const found: string[] = [];
  let begun: string | undefined;
  for (const line of text.split('\n')) {
    const whole: string = begun === undefined ? line : `${begun} ${line.trimStart()}`;
    const goesOn: boolean = whole.endsWith('\\') && !endsInComment(whole);
    begun = goesOn ? whole.slice(0, -1) : undefined;
    if (!goesOn) found.push(whole);
  }
  return begun === undefined ? found : [...found, begun];
}

/** Whether the end of the line belongs to a comment: text in quotation marks and escaped characters begin none. */
function endsInComment(line: string): boolean {
  let isQuoted = false;
  for (let at = 0; at < line.length; at += 1) {
    if (line[at] === '\\') at += 1;
    else if (line[at] === '"') isQuoted = !isQuoted;
    else if (!isQuoted && COMMENT.test(line.slice(at, at + 3)) && !(at === 0 && INCLUDE.test(line))) return true;
  }
  return false;
}

const INCLUDE = /^#include(dir)?\s/;

function unquote(path: string): string {
  return path
    .trim()
    .replace(/^"(.*)"$/, '$1')
    .replace(/\\(.)/g, '$1');
}
