import type { ActionCall, JsonValue } from './action.js';

/** A text or a number (as text) from the bound row, or from the parameters when there is no row. `undefined` for other values. */
export function callText({ binding, params }: Pick<ActionCall, 'binding' | 'params'>, key: string): string | undefined {
  return textOf((binding ?? params)[key]);
}

/** The same, read from what was saved for an undo. */
export function keptText(kept: JsonValue, key: string): string | undefined {
  if (typeof kept !== 'object' || kept === null || Array.isArray(kept)) return undefined;
  return textOf((kept as Readonly<Record<string, unknown>>)[key]);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
}
