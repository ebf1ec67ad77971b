/** Classes of POSIX within brackets, for ASCII as in the C locale. */
const POSIX_CLASSES: Readonly<Record<string, string>> = {
  alnum: 'A-Za-z0-9',
  alpha: 'A-Za-z',
  blank: ' \\t',
  cntrl: '\\x00-\\x1f\\x7f',
  d: '0-9',
  digit: '0-9',
  graph: '!-~',
  lower: 'a-z',
  print: ' -~',
  punct: '!-\\/:-@\\[-`{-~',
  s: '\\s',
  space: '\\t-\\r ',
  upper: 'A-Z',
  w: '\\w',
  word: '\\w',
  xdigit: 'A-Fa-f0-9',
};

const KEPT = 64;
const patterns = new Map<string, RegExp>();

/**
 * Compiles a pattern in the syntax of ECMAScript with POSIX classes (`[[:space:]]`), as osquery's functions take it. Compiled patterns are
 * kept, because a query uses the same pattern for each row.
 * @throws when it is no regular expression.
 */
export function regex(source: string): RegExp {
  let known = patterns.get(source);
  if (known === undefined) {
    if (patterns.size >= KEPT) patterns.clear();
    known = compile(withoutPosixClasses(source));
    patterns.set(source, known);
  }
  known.lastIndex = 0;
  return known;
}

/** Unicode mode where the pattern allows it. That mode rejects needless escapes such as `\-`. */
function compile(source: string): RegExp {
  try {
    return new RegExp(source, 'gu');
  } catch {
    try {
      return new RegExp(source, 'g');
    } catch {
      throw new Error('Invalid regex');
    }
  }
}

const TOKEN = /\\[\s\S]|\[:(\w*):\]|\[=(.)=\]|\[|\]|[^\\[\]]+/g;

/** Replaces `[:name:]` and `[=x=]` within brackets. */
function withoutPosixClasses(source: string): string {
  if (!source.includes('[:') && !source.includes('[=')) return source;
  let inBrackets = false;
  return source.replaceAll(TOKEN, (token, name: string | undefined, equal: string | undefined) => {
    if (token === '[' && !inBrackets) {
      inBrackets = true;
    } else if (token === ']') {
      inBrackets = false;
    } else if (inBrackets && name !== undefined) {
      const characters = POSIX_CLASSES[name.toLowerCase()];
      if (characters === undefined) throw new Error('Invalid regex');
      return characters;
    } else if (inBrackets && equal !== undefined) {
      return equal.replace(/[\\\]^-]/, '\\$&');
    } else if (name !== undefined || equal !== undefined) {
      inBrackets = true;
    }
    return token;
  });
}

/** The group's text in the first match: empty for a group that took no part, `null` without a match or such a group. */
export function matchedGroup(value: string, source: string, group: number): string | null {
  const match = regex(source).exec(value);
  if (match === null || group < 0 || group >= match.length) return null;
  return match[group] ?? '';
}

/** The pieces between the matches. An empty one at the end does not count, and groups are no pieces. */
export function splitByRegex(value: string, source: string): string[] {
  const pattern = regex(source);
  const pieces: string[] = [];
  let from = 0;
  for (const match of value.matchAll(pattern)) {
    pieces.push(value.slice(from, match.index));
    from = match.index + match[0].length;
  }
  if (pieces.length === 0 || from < value.length) pieces.push(value.slice(from));
  return pieces;
}
