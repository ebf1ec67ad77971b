import type { JsonSqlValue } from '@muster/protocol';
import { escapeControls } from './escape.js';

/** A value of the API's JSON as SQL would write it: NULL is empty, a blob is `X'hex'`. */
export function valueText(value: JsonSqlValue): string {
  if (value === null) return '';
  if (typeof value === 'object') return `X'${Buffer.from(value.$blob, 'base64').toString('hex').toUpperCase()}'`;
  return String(value);
}

/**
 * One CSV field (RFC 4180). The empty text is `""`, so that it differs from NULL. Spreadsheets run text that begins
 * with `=`, `+`, `-` or `@` as a formula: with `escapeFormulas` an apostrophe is put before it, which changes the
 * value.
 */
export function csvField(value: JsonSqlValue, escapeFormulas = false): string {
  const exact = valueText(value);
  const text = escapeFormulas && typeof value === 'string' && /^[=+\-@\t\r]/.test(exact) ? `'${exact}` : exact;
  return (text === '' && value !== null) || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvLine(values: readonly JsonSqlValue[], escapeFormulas = false): string {
  return `${values.map((value) => csvField(value, escapeFormulas)).join(',')}\r\n`;
}

/** For what endpoints and feeds say, as the CSV of scans has it: no formulas, and no characters that control a terminal. */
export function safeCsvLine(values: readonly JsonSqlValue[]): string {
  return csvLine(
    values.map((value) => (typeof value === 'string' ? escapeControls(value) : value)),
    true,
  );
}
