import { textOf } from './row-filter.js';
import type { Value } from './row-store.js';

/**
 * One line of CSV (RFC 4180). Text that a spreadsheet would run as a formula gets an apostrophe before it. NULL is nothing, the empty text
 * is `""`.
 */
export function csvLine(values: readonly Value[]): string {
  return `${values.map(csvField).join(',')}\r\n`;
}

function csvField(value: Value): string {
  if (value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = textOf(value);
  if (text === '') return '""';
  const safe = /^[\s\0]*[=+\-@|%\t\r]/.test(text) && !isNumber(text) ? `'${text}` : text;
  return /[",\r\n']|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** Integers beyond 2^53 come as text. */
function isNumber(text: string): boolean {
  return /^-?\d+(\.\d+)?$/.test(text);
}
