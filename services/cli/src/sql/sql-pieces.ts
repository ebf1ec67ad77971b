/** A piece of SQL: text between quotes, a comment, or anything else. */
export interface SqlPiece {
  readonly kind: 'code' | 'quoted' | 'line_comment' | 'block_comment';
  readonly text: string;
  /** False for the last one, where its end is missing. */
  readonly isClosed: boolean;
}

/** What SQLite's tokenizer takes as one, in the order in which it is tried: quotes are doubled inside of quotes, comments do not nest. */
const PIECE =
  /--[^\n]*\n?|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*(?:'|$)|"(?:[^"]|"")*(?:"|$)|`(?:[^`]|``)*(?:`|$)|\[[^\]]*(?:\]|$)/g;

/** SQL in pieces, of which nothing is lost. */
export function sqlPieces(sql: string): SqlPiece[] {
  const pieces: SqlPiece[] = [];
  let end = 0;
  const code = (to: number): void => {
    if (to > end) pieces.push({ kind: 'code', text: sql.slice(end, to), isClosed: true });
  };
  for (const { 0: text, index } of sql.matchAll(PIECE)) {
    code(index);
    pieces.push(pieceOf(text));
    end = index + text.length;
  }
  code(sql.length);
  return pieces;
}

function pieceOf(text: string): SqlPiece {
  if (text.startsWith('--')) return { kind: 'line_comment', text, isClosed: true };
  if (text.startsWith('/*')) return { kind: 'block_comment', text, isClosed: text.length >= 4 && text.endsWith('*/') };
  const quote = text.startsWith('[') ? ']' : text.charAt(0);
  const inner = text.slice(1).replaceAll(quote + quote, '');
  return { kind: 'quoted', text, isClosed: inner.endsWith(quote) };
}

/** The statements that end with a semicolon outside of quotes and comments, without it, and what of a further one comes behind. */
export function splitStatements(sql: string): { readonly statements: readonly string[]; readonly rest: string } {
  const statements: string[] = [];
  let open = '';
  let hasSql = false;
  for (const { kind, text } of sqlPieces(sql)) {
    if (kind !== 'code') {
      open += text;
      hasSql ||= kind === 'quoted';
      continue;
    }
    const parts = text.split(';');
    for (const [index, part] of parts.entries()) {
      open += part;
      hasSql ||= part.trim() !== '';
      if (index === parts.length - 1) break;
      // A comment alone is no statement.
      if (hasSql) statements.push(open.trim());
      open = '';
      hasSql = false;
    }
  }
  const isOpen = hasSql || sqlPieces(open).some(({ isClosed }) => !isClosed);
  return { statements, rest: isOpen ? open : '' };
}
