import type { SqlValue } from '@muster/protocol';

/**
 * One CSV field (RFC 4180). Values are exact: NULL is empty, the empty text is `""`, a blob is `X'hex'`.
 * Spreadsheets run text that begins with `=`, `+`, `-` or `@` as a formula. `escapeFormulas` puts an apostrophe before such text, which
 * changes the value.
 */
export function csvField(value: SqlValue, escapeFormulas = false): string {
  if (value === null) return '';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  if (typeof value !== 'string') {
    return `X'${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex').toUpperCase()}'`;
  }
  const text = escapeFormulas && /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return text === '' || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvLine(values: readonly SqlValue[], escapeFormulas = false): string {
  return `${values.map((value) => csvField(value, escapeFormulas)).join(',')}\r\n`;
}
