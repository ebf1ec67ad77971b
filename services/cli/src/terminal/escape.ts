/**
 * What an endpoint says must not steer the terminal that shows it: C0 and C1 controls (ECMA-48 sequences begin with them), DEL, line and
 * paragraph separators, and the characters that reorder text (Unicode UAX #9: a file name must read as it is).
 */
// eslint-disable-next-line no-control-regex -- they are what this is about
const UNSAFE = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]|\p{Surrogate}/gu;
const NAMED: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\0': '\\0', '\u001b': '\\e' };

/** The text with every such character written as an escape. */
export function escapeControls(text: string): string {
  return text.replace(UNSAFE, (character) => NAMED[character] ?? unicodeEscape(character));
}

/** JSON text in which such characters are `\uXXXX` escapes: the same value to a parser. */
export function safeJson(value: unknown): string {
  return JSON.stringify(value).replace(UNSAFE, unicodeEscape);
}

function unicodeEscape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
