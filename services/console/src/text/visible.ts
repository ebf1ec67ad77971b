/**
 * Characters that change how text around them looks, or show nothing: control, format (bidirectional, zero width,
 * tags), separators, halves.
 */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u2800]|\p{Default_Ignorable_Code_Point}/gu;

/** A piece of text; `escaped` ones stand for a character that cannot be shown. */
export interface Piece {
  readonly text: string;
  readonly escaped: boolean;
}

/** Endpoint text as plain text, with every invisible character written as an escape. */
export function visible(text: string): string {
  return text.replace(INVISIBLE, escapeOf);
}

/** The same in pieces, so that escapes can look different from text that was written like one. */
export function visiblePieces(text: string): readonly Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(INVISIBLE)) {
    if (match.index > at) pieces.push({ text: text.slice(at, match.index), escaped: false });
    pieces.push({ text: escapeOf(match[0]), escaped: true });
    at = match.index + match[0].length;
  }
  if (at < text.length || pieces.length === 0) pieces.push({ text: text.slice(at), escaped: false });
  return pieces;
}

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t', '\0': '\\0' };

function escapeOf(char: string): string {
  return SHORT[char] ?? `\\u{${(char.codePointAt(0) ?? 0).toString(16)}}`;
}
