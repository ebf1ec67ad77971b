/**
 * Text of endpoints must not control the terminal that shows it. Unsafe are C0 and C1 controls (ECMA-48 sequences begin with them),
 * DEL, and line and paragraph separators. So are the characters that change the direction of text (Unicode UAX #9), which can
 * disguise a file name.
 */
// eslint-disable-next-line no-control-regex -- control characters are what it matches
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu;
const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\0': '\\0', '\u001b': '\\e' };

/** The text with every unsafe character written as an escape. */
export function escapeControls(text: string): string {
  return text.replace(UNSAFE, (character) => NAMED[character] ?? unicodeEscape(character));
}

/** Lines of text, each escaped and ended. */
export function escapedLines(lines: readonly string[]): string {
  return lines.map((line) => `${escapeControls(line)}\n`).join('');
}

/** JSON text in which unsafe characters are `\uXXXX` escapes; a parser reads the same value. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, unicodeEscape);
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
