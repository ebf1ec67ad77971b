import { isAgentId, isQueryId, LIMITS, parseSelector } from '@muster/protocol/vocabulary';
import { parseDurationMs } from '@muster/runtime/quantity';
import { z } from 'zod';
import type { ProblemCode } from './problem.js';

/** Selector text; a fault is answered as `bad_selector` with the offset of the character at fault. */
export const selectorText = z
  .string()
  .superRefine((text, context) => {
    const parsed = parseSelector(text);
    if (parsed.ok) return;
    const message = `${parsed.message} (at character ${parsed.offset})`;
    context.addIssue({ code: 'custom', message, params: { code: 'bad_selector', offset: parsed.offset } });
  })
  .meta({
    description:
      'Kubernetes label-selector syntax: `os=linux,env in (prod,staging),!quarantined`; `*` in a value stands for any text: `host=app-*`. Built in are `id`, `host`, `os`, `arch`, `version`, `mode` and `health` (`ok`, `warning`, `critical`, `unknown`).',
  });

export const queryIdParameter = z.object({
  id: z.string().refine(isQueryId, 'is not the id of a query').meta({ description: "The query's id." }),
});

export const agentIdText = z.string().refine((text): boolean => isAgentId(text), 'is not the id of an agent');

/** As many as one message to the command service holds with certainty. */
export const agentIdList = z.array(agentIdText).min(1).max(30_000);

export const agentIdParameter = z.object({ id: agentIdText.meta({ description: "The agent's id." }) });

export const timestamp = z.iso.datetime().meta({ description: 'RFC 3339, UTC.' });
export const count = z.int().nonnegative();
export const platform = z.enum(['linux', 'windows', 'darwin']);

/** One SQL value in JSON. */
export const sqlValue = z.union([z.null(), z.number(), z.string(), z.object({ $blob: z.string() })]).meta({
  id: 'SqlValue',
  description:
    'Integers beyond ±(2^53−1) are decimal text, infinities `"Infinity"` and `"-Infinity"`, blobs `{"$blob": base64}`.',
});

export const rowValues = z.array(sqlValue).meta({ description: 'One value per column, in the order of `columns`.' });

// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f]/;

/** Text that is shown in lists: no control characters. */
export function label(max: number) {
  return z
    .string()
    .trim()
    .min(1)
    .max(max)
    .refine((text) => text.isWellFormed() && !CONTROL.test(text), 'must not hold control characters');
}

/** The length of a text in UTF-8. */
export function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** Why somebody does something, as it is kept. */
export const reasonText = label(10 * LIMITS.reasonBytes).refine(
  (text) => utf8Bytes(text) <= LIMITS.reasonBytes,
  `must have at most ${LIMITS.reasonBytes} bytes`,
);

interface Reading<T> {
  /** The value, or `undefined` when the text or number is not one. */
  readonly read: (given: unknown) => T | undefined;
  readonly message: string;
  /** The problem code of a value that cannot be read. */
  readonly code: ProblemCode;
  /** The JSON Schema of what may be given. */
  readonly json: { readonly type?: string | readonly string[]; readonly description?: string };
}

/** A member that can be written in several ways; a fault has its own message and problem code. */
export function reading<T>({ read, message, code, json }: Reading<T>): z.ZodType<T, string | number> {
  const schema = z
    .unknown()
    .transform((given, context): T => {
      const value = read(given);
      if (value !== undefined) return value;
      context.issues.push({ code: 'custom', message, input: given, params: { code } });
      return z.NEVER;
    })
    .meta(json as Record<string, unknown>);
  // The schema takes anything, so that every fault has this message; callers give text or a number.
  return schema as z.ZodType as z.ZodType<T, string | number>;
}

/** A duration as text, or milliseconds: `24h`, 86400000. */
export function duration(minMs: number, maxMs: number, code: ProblemCode, description: string) {
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
