import { ERROR_CODES, isAgentId, isQueryId, LIMITS, parseSelector, type ErrorCode } from '@muster/protocol';
import { z } from 'zod';
import type { ResponseDescription } from './operation.js';

/** Schemas that several capabilities share. Every one with a `meta` id is a component of the OpenAPI document. */

export const problemSchema = z
  .looseObject({
    type: z.string().meta({ description: '`urn:muster:problem:<code>`' }),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    code: z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]),
    retryable: z.boolean().meta({ description: 'Whether the same call may succeed later.' }),
    requestId: z.string(),
  })
  .meta({ id: 'Problem', description: 'RFC 9457 problem document. Codes may have further members.' });

/** What any call with credentials may be answered. */
const COMMON = [
  'bad_request',
  'unauthenticated',
  'token_expired',
  'forbidden',
  'rate_limited',
  'internal',
  'broker_unavailable',
] as const satisfies readonly ErrorCode[];

/** The problem documents that a call may be answered with: those of any call, and these. */
export function problems(...codes: readonly ErrorCode[]): Record<number, ResponseDescription> {
  const byStatus = new Map<number, Set<ErrorCode>>();
  for (const code of [...COMMON, ...codes]) {
    const { status } = ERROR_CODES[code];
    byStatus.set(status, (byStatus.get(status) ?? new Set()).add(code));
  }
  return Object.fromEntries(
    [...byStatus].map(([status, ofStatus]) => [
      status,
      { description: [...ofStatus].join(', '), content: { 'application/problem+json': problemSchema } },
    ]),
  );
}

/** Selector text; a fault is answered as `bad_selector` with the offset of the character at fault. */
export const selectorText = z
  .string()
  .superRefine((text, context) => {
    const parsed = parseSelector(text);
    if (parsed.ok) return;
    const message = `${parsed.message} (at character ${parsed.offset})`;
    context.addIssue({ code: 'custom', message, params: { code: 'bad_selector', offset: parsed.offset } });
  })
  .meta({ description: 'Kubernetes label-selector syntax: `os=linux,env in (prod,staging),!quarantined`.' });

export const queryIdParameter = z.object({
  id: z.string().refine(isQueryId, 'is not the id of a query').meta({ description: "The query's id." }),
});

export const agentIdText = z.string().refine((text): boolean => isAgentId(text), 'is not the id of an agent');

export const agentIdParameter = z.object({ id: agentIdText.meta({ description: "The agent's id." }) });

export const timestamp = z.iso.datetime().meta({ description: 'RFC 3339, UTC.' });
export const count = z.int().nonnegative();

export const nextCursor = z
  .string()
  .optional()
  .meta({ description: 'Give it as `cursor` to get the next page; absent on the last one.' });

/** One SQL value in JSON. */
export const sqlValue = z.union([z.null(), z.number(), z.string(), z.object({ $blob: z.string() })]).meta({
  id: 'SqlValue',
  description:
    'Integers beyond ±(2^53−1) are decimal text, infinities `"Infinity"` and `"-Infinity"`, blobs `{"$blob": base64}`.',
});

export const rowValues = z.array(sqlValue).meta({ description: 'One value per column, in the order of `columns`.' });

// oxlint-disable-next-line no-control-regex -- control characters are what it looks for
const CONTROL = /[\u0000-\u001f\u007f]/;

/** Text that people see in lists: no control characters. */
export function label(max: number) {
  return z
    .string()
    .trim()
    .min(1)
    .max(max)
    .refine((text) => text.isWellFormed() && !CONTROL.test(text), 'must not hold control characters');
}

/** Why somebody does something, as it is kept. */
export const reasonText = label(10 * LIMITS.reasonBytes).refine(
  (text) => Buffer.byteLength(text) <= LIMITS.reasonBytes,
  `must have at most ${LIMITS.reasonBytes} bytes`,
);
