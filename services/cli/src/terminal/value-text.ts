import type { JsonSqlValue } from '@muster/protocol';

/** A value of the API's JSON as SQL would write it: NULL is empty, a blob is `X'hex'`. */
export function valueText(value: JsonSqlValue): string {
  if (value === null) return '';
  if (typeof value === 'object') return `X'${Buffer.from(value.$blob, 'base64').toString('hex').toUpperCase()}'`;
  return String(value);
}

/** One CSV field (RFC 4180). The empty text is `""`, so that it differs from NULL. */
export function csvField(value: JsonSqlValue): string {
  const text = valueText(value);
  return (text === '' && value !== null) || /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

export function csvLine(values: readonly JsonSqlValue[]): string {
  return `${values.map(csvField).join(',')}\r\n`;
}
