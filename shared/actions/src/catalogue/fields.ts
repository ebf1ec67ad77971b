import { isIP } from 'node:net';
import { z } from 'zod';

/** Schemas shared by several actions. None of them transforms its value, so that the signed value is the requested value. */

/** C0 controls, DEL and C1. A NUL would end a name for the system. */
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;

/** Text of 1 to `max` characters without control characters. */
export function name(what: string, max = 255): z.ZodString {
  return z
    .string(`${what} must be text`)
    .min(1, `${what} must not be empty`)
    .max(max, `${what} must have at most ${max} characters`)
    .refine((value) => !CONTROL.test(value), `${what} must not have control characters`)
    .refine((value) => value.isWellFormed(), `${what} must be well-formed Unicode`);
}

/** A name that cannot be taken for an option of a program. */
export function word(what: string, max?: number): z.ZodString {
  return name(what, max).refine((value) => !value.startsWith('-'), `${what} must not begin with "-"`);
}

/** An integer within bounds. */
export function integer(what: string, min: number, max: number): z.ZodNumber {
  const message = `${what} must be a whole number from ${min} to ${max}`;
  return z.number(message).int(message).min(min, message).max(max, message);
}

/** An absolute path of Unix or Windows. A drive or a root alone is not allowed. */
export const path = name('a path', 4_096)
  .refine((value) => /^(\/|[A-Za-z]:[\\/]|\\\\[^\\/])[^]/.test(value), 'a path must be absolute')
  .refine(
    (value) => value.split(/[\\/]/).every((part) => part !== '.' && part !== '..'),
    'a path must not have "." or ".." in it',
  );

export const pid = integer('a process id', 1, 2 ** 31 - 1);

/** Unix seconds. */
export const unixTime = integer('a time', 0, 2 ** 40);

export const sha256 = z
  .string('a SHA-256 must be text')
  .regex(/^[0-9a-fA-F]{64}$/, 'a SHA-256 must have 64 hexadecimal digits');

export const port = integer('a port', 1, 65_535);

/** IPv4 or IPv6, without a port. A zone (`fe80::1%eth0`) is allowed. */
export const address = name('an address', 64).refine((value) => isIP(value) !== 0, 'an IP address is expected');

/** Interface name of Linux, Windows or macOS. */
export const networkInterface = word('an interface', 64);

/** An address, or a network such as `10.0.0.0/8`. */
export const addressBlock = name('an address', 64).refine(isBlock, {
  error: 'an IP address or a block such as 10.0.0.0/8 is expected',
});

function isBlock(value: string): boolean {
  const [base = '', bits, ...rest] = value.split('/');
  const family = isIP(base);
  if (family === 0 || base.includes('%') || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/** A duration such as `90s`, `15m` or `2h`, or a number of milliseconds. */
export function duration(what: string, minMs: number, maxMs: number): z.ZodUnion<[z.ZodString, z.ZodNumber]> {
  const bounds = `${what} must be from ${inWords(minMs)} to ${inWords(maxMs)}`;
  const within = (ms: number | undefined): boolean => ms === undefined || (ms >= minMs && ms <= maxMs);
  return z.union([
    z
      .string()
      .regex(/^\d{1,12}(ms|s|m|h)$/, `${what} must be a duration such as 90s, 15m or 2h`)
      .refine((value) => within(durationMs(value)), bounds),
    z.number().int(`${what} must be whole milliseconds`).refine(within, bounds),
  ]);
}

/** Milliseconds of such a {@link duration}, or `undefined` when it is invalid. */
export function durationMs(value: string | number): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  const [, digits, unit = ''] = /^(\d{1,12})(ms|s|m|h)$/.exec(value) ?? [];
  const factor = UNITS[unit];
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor;
}

function inWords(ms: number): string {
  for (const [unit, factor] of [
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ] as const) {
    if (ms >= factor && ms % factor === 0) return `${ms / factor}${unit}`;
  }
  return `${ms}ms`;
}
