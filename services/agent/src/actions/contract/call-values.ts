import type { ActionCall, JsonValue } from './action.js';

/** What the row says of something, or the parameters where there is no row: a word, or a number as text; `undefined` for anything else. */
export function callText({ binding, params }: Pick<ActionCall, 'binding' | 'params'>, key: string): string | undefined {
  return textOf((binding ?? params)[key]);
}

/** The same of what was kept for an undo. */
export function keptText(kept: JsonValue, key: string): string | undefined {
  if (typeof kept !== 'object' || kept === null || Array.isArray(kept)) return undefined;
  return textOf((kept as Readonly<Record<string, unknown>>)[key]);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}
