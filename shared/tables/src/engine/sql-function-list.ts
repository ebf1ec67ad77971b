import { createHash } from 'node:crypto';
import type { SqlValue } from '@muster/protocol';

export interface SqlFunction {
  readonly name: string;
  readonly args: number;
  readonly call: (values: readonly SqlValue[]) => SqlValue;
}

/** A function that returns NULL when any argument is NULL. */
function strict(name: string, args: number, call: (...values: Exclude<SqlValue, null>[]) => SqlValue): SqlFunction {
  return {
    name,
    args,
    call: (values) => {
      const known = values.filter((value) => value !== null);
      return known.length === args ? call(...known) : null;
    },
  };
}

function text(value: Exclude<SqlValue, null> | undefined): string {
  return value instanceof Uint8Array ? Buffer.from(value).toString() : String(value);
}

function bytes(value: Exclude<SqlValue, null> | undefined): Uint8Array {
  return value instanceof Uint8Array ? value : Buffer.from(String(value));
}

function digest(algorithm: string): SqlFunction {
  return strict(algorithm, 1, (value) => createHash(algorithm).update(bytes(value)).digest('hex'));
}

const patterns = new Map<string, RegExp>();

/** Caches compiled patterns, because a query uses the same pattern for each row. */
function pattern(source: string): RegExp {
  let known = patterns.get(source);
  if (known === undefined) {
    if (patterns.size >= 64) patterns.clear();
    known = compilePattern(source);
    patterns.set(source, known);
  }
  return known;
}

/** Unicode mode where the pattern allows it. That mode rejects needless escapes such as `\-`. */
function compilePattern(source: string): RegExp {
  try {
    return new RegExp(source, 'u');
  } catch {
    return new RegExp(source);
  }
}

/** Pieces count from 0. NULL after the last. */
function piece(pieces: readonly string[], index: SqlValue | undefined): SqlValue {
  return pieces[Number(index)] ?? null;
}

/** `split('a.b', '.', 0)`. Each character of the second argument separates. Empty pieces are skipped, as in osquery. */
function split(value: string, separators: string, index: SqlValue | undefined): SqlValue {
  const isSeparator = new Set(separators);
  const pieces: string[] = [];
  let current = '';
  for (const character of value) {
    if (!isSeparator.has(character)) {
      current += character;
      continue;
    }
    if (current !== '') pieces.push(current);
    current = '';
  }
  if (current !== '') pieces.push(current);
  return piece(pieces, index);
}

const VERSION_PART = /\d+|[^\d.\-_+~:]+/g;

/** Returns -1, 0 or 1. Compares runs of digits as numbers and the rest as text. */
function compareVersions(left: string, right: string): number {
  const ours = left.match(VERSION_PART) ?? [];
  const theirs = right.match(VERSION_PART) ?? [];
  for (let i = 0; i < Math.max(ours.length, theirs.length); i += 1) {
    const order = compareParts(ours[i], theirs[i]);
    if (order !== 0) return order;
  }
  return 0;
}

function compareParts(left: string | undefined, right: string | undefined): number {
  if (left === right) return 0;
  // A missing part is older: 1.2 comes before 1.2.1.
  if (left === undefined) return -1;
  if (right === undefined) return 1;
  const numeric = /^\d/.test(left) && /^\d/.test(right);
  if (!numeric) return left < right ? -1 : 1;
  const difference = BigInt(left) - BigInt(right);
  return difference === 0n ? 0 : difference < 0n ? -1 : 1;
}

function ipv4ToInteger(address: string): SqlValue {
  const parts = address.split('.');
  const valid = parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256);
  return valid ? parts.reduce((sum, part) => sum * 256 + Number(part), 0) : null;
}

/** Scalar functions with osquery's names and meanings. Regular expressions are those of JavaScript. */
export const SQL_FUNCTIONS: readonly SqlFunction[] = [
  strict('regex_match', 3, (value, source, group) => pattern(text(source)).exec(text(value))?.[Number(group)] ?? null),
  strict('regex_split', 3, (value, source, index) => piece(text(value).split(pattern(text(source))), index)),
  strict('split', 3, (value, separators, index) => split(text(value), text(separators), index)),
  strict('version_compare', 2, (left, right) => compareVersions(text(left), text(right))),
  strict('inet_aton', 1, (address) => ipv4ToInteger(text(address))),
  strict('to_base64', 1, (value) => Buffer.from(bytes(value)).toString('base64')),
  strict('from_base64', 1, (value) => Buffer.from(text(value), 'base64').toString()),
  digest('md5'),
  digest('sha1'),
  digest('sha256'),
];
