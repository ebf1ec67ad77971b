import { crc32 } from 'node:zlib';

/** A line that was read: its entry, and its number. */
export interface LogLine {
  readonly entry: Readonly<Record<string, unknown>>;
  readonly n: number;
}

/** The entry as JSON with its number `n` and, last, the CRC-32 `c` of all before it. */
export function lineOf(entry: object, n: number): string {
  const text = JSON.stringify({ ...entry, n }).slice(0, -1);
  return `${text},"c":"${checksum(text)}"}`;
}

/** `undefined` when the line is not as it was written. */
export function readLine(line: string): LogLine | undefined {
  const [, text, sum] = /^(.*),"c":"([0-9a-f]{8})"\}$/.exec(line) ?? [];
  if (text === undefined || checksum(text) !== sum) return undefined;
  const value = parseObject(`${text}}`);
  return value !== undefined && typeof value['n'] === 'number' ? { entry: value, n: value['n'] } : undefined;
}

export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}
