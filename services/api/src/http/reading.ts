import type { ErrorCode } from '@muster/protocol';
import { parseDurationMs } from '@muster/runtime';
import { z } from 'zod';

interface Reading<T> {
  /** `undefined` when it is none. */
  readonly read: (given: unknown) => T | undefined;
  readonly message: string;
  /** What the fault is known by. */
  readonly code: ErrorCode;
  /** Its JSON Schema. */
  readonly json: { readonly type?: string | readonly string[]; readonly description?: string };
}

/** A member that can be written in several ways, whose fault has a message and a code of its own. */
export function reading<T>({ read, message, code, json }: Reading<T>) {
  return z
    .unknown()
    .transform((given, context): T => {
      const value = read(given);
      if (value !== undefined) return value;
      context.issues.push({ code: 'custom', message, input: given, params: { code } });
      return z.NEVER;
    })
    .meta(json as Record<string, unknown>);
}

/** A duration as text, or milliseconds: `24h`, 86400000. */
export function duration(minMs: number, maxMs: number, code: ErrorCode, description: string) {
  return reading({
    read: (given) => {
      const ms = typeof given === 'string' ? parseDurationMs(given) : given;
      return typeof ms === 'number' && Number.isInteger(ms) && ms >= minMs && ms <= maxMs ? ms : undefined;
    },
    message: `must be a duration from ${inWords(minMs)} to ${inWords(maxMs)}, such as 90s, 15m or 24h`,
    code,
    json: { type: ['string', 'integer'], description },
  });
}

function inWords(ms: number): string {
  if (ms % 86_400_000 === 0 && ms > 86_400_000) return `${ms / 86_400_000} days`;
  if (ms % 3_600_000 === 0 && ms > 0) return `${ms / 3_600_000} h`;
  return `${ms / 1_000} s`;
}
