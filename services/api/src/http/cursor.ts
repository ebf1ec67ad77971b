import { AppError } from '@muster/protocol';
import { z } from 'zod';

/** The position where a page ended, as opaque text. `kind` prevents the cursor of one list from being used on another. */
export function encodeCursor(kind: string, position: readonly (number | string)[]): string {
  return Buffer.from(JSON.stringify([kind, ...position])).toString('base64url');
}

/** The position in a cursor of this kind; each component is checked by its schema. Throws `bad_cursor`. */
export function decodeCursor<const S extends readonly [z.ZodType, ...z.ZodType[]]>(
  kind: string,
  cursor: string,
  parts: S,
): { -readonly [K in keyof S]: z.output<S[K]> } {
  try {
    const [found, ...position] = JSON.parse(Buffer.from(cursor, 'base64url').toString()) as unknown[];
    if (found === kind) return z.tuple(parts as never).parse(position) as never;
  } catch {
    // Falls through: a cursor that cannot be read is not one of ours.
  }
  throw new AppError('bad_cursor', 'the cursor is not one that this list gave; start again without one');
}

/** A position that is the id of the last item. */
export const idPosition = z.string();

/** A position that is a sequence or a number. */
export const position = z.int().nonnegative();
