import { LIMITS, OUTCOMES } from '@muster/protocol/vocabulary';
import { parseDurationMs } from '@muster/runtime/quantity';
import { z } from 'zod';
import { count, rowValues, selectorText, timestamp, utf8Bytes } from './fields.js';
import type { Json } from './operation.js';
import { stalledEventSchema } from './event-stream.js';
import { nextCursor, seq } from './paging.js';

const { queryTimeoutMinMs, queryTimeoutMaxMs, queryTimeoutDefaultMs } = LIMITS;

/** SQL as a caller gives it. The query service finds out whether it compiles. */
const sqlText = z
  .string()
  .min(1)
  .superRefine((sql, context) => {
    if (utf8Bytes(sql) > LIMITS.sqlBytes) {
      const message = `is over ${LIMITS.sqlBytes} bytes`;
      context.addIssue({ code: 'custom', message, params: { code: 'sql_too_long' } });
    }
    if (sql.includes('\0') || !sql.isWellFormed()) {
      const message = 'holds a NUL or half of a character';
      context.addIssue({ code: 'custom', message, params: { code: 'sql_error' } });
    }
  });

function timeoutFault(context: z.core.$RefinementCtx, message: string): void {
  context.issues.push({ code: 'custom', message, input: undefined, params: { code: 'bad_timeout' } });
}

export const TIMEOUT_FAULT = `the timeout must be ${queryTimeoutMinMs / 1_000} s to ${queryTimeoutMaxMs / 60_000} min`;

export function isTimeout(ms: number | undefined): ms is number {
  return Number.isInteger(ms) && Number(ms) >= queryTimeoutMinMs && Number(ms) <= queryTimeoutMaxMs;
}

export const startQuerySchema = z
  .strictObject({
    sql: sqlText.meta({ description: 'One read-only SELECT over the tables of `/v1/tables`.' }),
    selector: selectorText.default('').meta({ description: 'Which endpoints to ask; empty means all.' }),
    mode: z.enum(['raw', 'group']).default('raw').meta({
      description: '`raw`: rows with their endpoint. `group`: equal rows become one with the number of endpoints.',
    }),
    reduce: sqlText.optional().meta({
      description: 'A second SELECT over all rows, run when the query ends: `rows` has the columns of the first.',
    }),
    timeoutMs: z
      .number()
      .optional()
      .meta({
        description: `Milliseconds, ${queryTimeoutMinMs} to ${queryTimeoutMaxMs}; default ${queryTimeoutDefaultMs}.`,
      }),
    timeout: z.string().optional().meta({ description: 'Instead of `timeoutMs`: `30s`, `2m`.' }),
  })
  .transform(({ timeout, timeoutMs, ...rest }, context) => {
    const given = timeoutMs ?? (timeout === undefined ? queryTimeoutDefaultMs : parseDurationMs(timeout));
    if (timeout !== undefined && timeoutMs !== undefined) timeoutFault(context, 'give timeout or timeoutMs, not both');
    else if (!isTimeout(given)) timeoutFault(context, TIMEOUT_FAULT);
    return { ...rest, timeoutMs: given ?? queryTimeoutDefaultMs };
  });

export const reduceRequestSchema = z.strictObject({ sql: sqlText });

const ledgerCounts = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, count])) as Record<
  (typeof OUTCOMES)[number],
  typeof count
>;

export const ledgerSchema = z.object({ targeted: count, waiting: count, ...ledgerCounts }).meta({
  id: 'Ledger',
  description: 'The count of endpoints in each outcome. `targeted` is always the sum of all the others.',
});

export const pollingSchema = z
  .object({
    waiting: count.meta({ description: 'How many of the endpoints waited for poll.' }),
    answerBy: timestamp.meta({
      description: 'When the last of them has heard of the query; past the deadline, too, and then it does not answer.',
    }),
  })
  .meta({
    id: 'Polling',
    description: 'Endpoints that poll hear of a query when they next come. Absent when none does.',
  });

export const queryStateSchema = z.enum(['running', 'complete', 'cancelled', 'interrupted']);

export const querySchema = z
  .object({
    id: z.string(),
    state: queryStateSchema,
    sql: z.string(),
    mode: z.enum(['raw', 'group']),
    selector: z.string().meta({ description: 'As asked.' }),
    scope: z.string().meta({ description: "As asked, joined with the operator's own bound." }),
    columns: z.array(z.string()).meta({ description: 'Names may repeat, as in SQL.' }),
    reduce: z.string().optional(),
    timeoutMs: count,
    operator: z.object({ id: z.string(), name: z.string() }),
    createdAt: timestamp,
    deadlineAt: timestamp,
    endedAt: timestamp.optional(),
    ledger: ledgerSchema,
    polling: pollingSchema.optional(),
    offline: count.meta({ description: 'Enrolled endpoints in scope that were not connected at the start.' }),
    rows: count.meta({ description: 'Rows (raw) or groups (group) kept so far.' }),
    warned: count.optional().meta({
      description: 'Endpoints whose answers lack something, by their own word. Absent when there are none.',
    }),
    truncated: z.string().optional().meta({ description: 'Why not everything was kept.' }),
  })
  .meta({ id: 'Query' });

export const queryPageSchema = z.object({ items: z.array(querySchema), nextCursor }).meta({ id: 'QueryPage' });

const outcomeSchema = z.enum(OUTCOMES);

/** An endpoint's number and names; the names are null for a moment after it enrolled. */
const endpointName = {
  num: count.meta({ description: "The agent's number." }),
  agentId: z.string().nullable(),
  host: z.string().nullable(),
};

export const endpointNameSchema = z.object(endpointName).meta({ id: 'EndpointName' });

export const queryFailureSchema = z
  .object({ ...endpointName, outcome: outcomeSchema, code: z.string(), message: z.string() })
  .meta({ id: 'Failure', description: 'An endpoint that did not answer, and why.' });

export const queryWarningSchema = z
  .object({
    ...endpointName,
    code: z.string().meta({ description: '`unreadable`, `cut`, `too_large`, `too_slow`, `ambiguous`, and others.' }),
    count: count.meta({ description: 'How many objects.' }),
    message: z.string().meta({ description: 'One of them.' }),
  })
  .meta({ id: 'Warning', description: 'What the answer of an endpoint lacks, and why.' });

export const queryFailurePageSchema = z
  .object({ state: queryStateSchema, items: z.array(queryFailureSchema), nextCursor })
  .meta({ id: 'FailurePage' });

export const groupSchema = z
  .object({
    index: count.meta({ description: "The group's number within its query." }),
    endpoints: count.meta({ description: 'How many endpoints gave this row at least once.' }),
    copies: count.meta({ description: 'How often it occurred in all.' }),
    sample: z.array(endpointNameSchema).meta({ description: 'Some of the endpoints.' }),
    values: rowValues,
  })
  .meta({ id: 'Group' });

export const rawRowSchema = z.object({ ...endpointName, values: rowValues }).meta({ id: 'RawRow' });

export const rowPageSchema = z
  .object({
    state: queryStateSchema.meta({ description: 'While it is `running`, more rows may come after the last page.' }),
    mode: z.enum(['raw', 'group']),
    columns: z.array(z.string()),
    items: z.array(z.union([rawRowSchema, groupSchema])),
    nextCursor,
  })
  .meta({ id: 'RowPage' });

export const rowLineSchema = z
  .union([
    z.object({ columns: z.array(z.string()), mode: z.enum(['raw', 'group']), state: queryStateSchema }),
    rawRowSchema,
    groupSchema,
  ])
  .meta({ id: 'RowLine', description: 'One line: the first has the columns, each other one row or group.' });

export const reducedSchema = z
  .object({ columns: z.array(z.string()), rows: z.array(rowValues), truncated: z.boolean() })
  .meta({ id: 'Reduced' });

const synthesized = z.literal(true).optional().meta({
  description: 'From the record of the query, because its results have expired.',
});

const ledgerSoFar = ledgerSchema.optional().meta({
  description: 'Of everything in the events up to this one. An endpoint whose rows or failure come later still waits.',
});

/** One event of `/v1/queries/{id}/events`. Readers ignore events whose name they do not know. */
export const queryEventSchema = z
  .discriminatedUnion('event', [
    z.object({ event: z.literal('started'), seq, query: querySchema }),
    z.object({
      event: z.literal('progress'),
      seq,
      ledger: ledgerSchema,
      polling: pollingSchema.optional(),
      elapsedMs: z.number(),
      gateways: count,
    }),
    z.object({
      event: z.literal('rows'),
      seq,
      answers: z.array(z.object({ ...endpointName, rows: z.array(rowValues) })),
      ledger: ledgerSoFar,
    }),
    z
      .object({
        event: z.literal('groups'),
        seq,
        groups: z.array(groupSchema),
        more: z.literal(true).optional().meta({
          description:
            'More groups of the same moment follow: these count together with the next `groups` event without `more`, and not if the query ends before it.',
        }),
        ledger: ledgerSoFar,
      })
      .meta({ description: 'Groups that are new or changed; one with a known index replaces the earlier one.' }),
    z.object({ event: z.literal('failures'), seq, failures: z.array(queryFailureSchema), ledger: ledgerSoFar }),
    z
      .object({ event: z.literal('recovered'), seq, endpoints: z.array(endpointNameSchema), ledger: ledgerSoFar })
      .meta({ description: 'Endpoints that are no failures any more: they were asked again, or answered after all.' }),
    z
      .object({ event: z.literal('warnings'), seq, warnings: z.array(queryWarningSchema) })
      .meta({ description: 'Answers that lack something. `warned` at the end counts all of their endpoints.' }),
    z.object({ event: z.literal('reduced'), seq, ...reducedSchema.shape, error: z.string().optional() }),
    z.object({ event: z.literal('ended'), seq, query: querySchema, synthesized }),
    stalledEventSchema,
    z.object({ event: z.literal('heartbeat') }).meta({ description: 'NDJSON only; a comment in an event stream.' }),
  ])
  .meta({ id: 'QueryEvent' });

export type LedgerJson = Json<typeof ledgerSchema>;
export type PollingJson = Json<typeof pollingSchema>;
export type QueryState = Json<typeof queryStateSchema>;
export type QueryJson = Json<typeof querySchema>;
export type EndpointNameJson = Json<typeof endpointNameSchema>;
export type WarningJson = Json<typeof queryWarningSchema>;
export type FailureJson = Json<typeof queryFailureSchema>;
export type GroupJson = Json<typeof groupSchema>;
export type RawRowJson = Json<typeof rawRowSchema>;
export type RowPageJson = Json<typeof rowPageSchema>;
export type ReducedJson = Json<typeof reducedSchema>;
export type QueryEvent = Json<typeof queryEventSchema>;
