import { textOfBytes } from '@muster/protocol';

/** A record of utmp(5) on 64-bit Linux. */
export interface LoginRecord {
  readonly type: number;
  readonly typeName: string;
  readonly pid: number;
  readonly tty: string;
  readonly user: string;
  readonly host: string;
  /** Unix seconds. */
  readonly time: number;
}

const RECORD_BYTES = 384;

const TYPE_NAMES = [
  'empty',
  'runlevel',
  'boot-time',
  'new-time',
  'old-time',
  'init',
  'login',
  'normal',
  'dead',
  'accounting',
] as const;

/** Skips an incomplete record at the end, which is still being written. */
export function parseUtmp(bytes: Buffer): LoginRecord[] {
  const records: LoginRecord[] = [];
  for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
    const type = bytes.readInt16LE(at);
    records.push({
      type,
      typeName: TYPE_NAMES[type] ?? 'unknown',
      pid: bytes.readInt32LE(at + 4),
      tty: fixedText(bytes, at + 8, 32),
      user: fixedText(bytes, at + 44, 32),
      host: fixedText(bytes, at + 76, 256),
      time: bytes.readUInt32LE(at + 340),
    });
  }
  return records;
}

function fixedText(bytes: Buffer, at: number, size: number): string {
  const field = bytes.subarray(at, at + size);
  const end = field.indexOf(0);
  return textOfBytes(field.subarray(0, end < 0 ? size : end));
}
