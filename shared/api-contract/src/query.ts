import { LIMITS, OUTCOMES } from '@muster/protocol/vocabulary';
import { parseDurationMs } from '@muster/runtime/quantity';
import { z } from 'zod';
import { budgetRequestSchema, queryBudgetSchema } from './query-budget.js';
import { agentIdList, count, rowValues, selectorText, sqlValue, timestamp, utf8Bytes } from './fields.js';
import type { Json } from './operation.js';
import { stalledEventSchema } from './event-stream.js';
import { nextCursor, seq } from './paging.js';
import { sqlParameters } from './sql-parameters.js';

const { queryTimeoutMinMs, queryTimeoutMaxMs, queryTimeoutDefaultMs, budgetMs } = LIMITS;

/** SQL as a caller gives it. The query service finds out whether it compiles. */
export const sqlText = z
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
    sql: sqlText.optional().meta({
      description: 'One read-only SELECT over the tables of `/v1/tables`. Exactly one of `sql` and `retryOf` is given.',
    }),
    retryOf: z.string().optional().meta({
      description:
        'The id of a query that has ended: its question is asked again, of its endpoints that gave no answer. `sql`, `selector`, `mode` and `reduce` are those of that query.',
    }),
    outcome: z
      .array(z.enum(OUTCOMES))
      .min(1)
      .optional()
      .meta({ description: 'With `retryOf`: only endpoints with one of these outcomes.' }),
    selector: selectorText.default('').meta({ description: 'Which endpoints to ask; empty means all.' }),
    agents: agentIdList
      .optional()
      .meta({ description: 'Only these endpoints, by id; of `selector` where that is given too.' }),
    mode: z.enum(['raw', 'group']).default('raw').meta({
      description: '`raw`: rows with their endpoint. `group`: equal rows become one with the number of endpoints.',
    }),
    reduce: sqlText.optional().meta({
      description: 'A second SELECT over all rows, run when the query ends: `rows` has the columns of the first.',
    }),
    parameters: sqlParameters.optional(),
    timeoutMs: z
      .number()
      .optional()
      .meta({
        description: `Milliseconds, ${queryTimeoutMinMs} to ${queryTimeoutMaxMs}; default ${queryTimeoutDefaultMs}.`,
      }),
    timeout: z.string().optional().meta({
      description:
        'Instead of `timeoutMs`: `30s`, `2m`. With a longer `budget` the default is 20 s more than that, and at most 10 minutes.',
    }),
    budget: budgetRequestSchema.optional(),
    waitUntil: timestamp.optional().meta({
      description:
        'Makes it a hunt: until this time, at most 14 days from now, endpoints in scope that are away are asked when they connect. `timeout` is how long one endpoint may take.',
    }),
    standing: z.boolean().optional().meta({ description: 'A hunt that asks also endpoints which enrol later.' }),
  })
  .transform(({ sql = '', ...rest }, context) => {
    const fault = (field: string, message: string): void =>
      void context.issues.push({ code: 'custom', message, input: undefined, path: [field] });
    const { retryOf, outcome } = rest;
    if ((sql === '') === (retryOf === undefined)) fault('sql', 'give exactly one of sql and retryOf');
    if (outcome !== undefined && retryOf === undefined) fault('outcome', 'is for retryOf alone');
    if (retryOf !== undefined && rest.agents !== undefined) fault('agents', 'the query that is asked again says whom');
    if (retryOf !== undefined && (rest.selector !== '' || rest.mode !== 'raw' || rest.reduce !== undefined))
      fault('retryOf', 'the query that is asked again says selector, mode and reduce');
    return { ...rest, sql };
  })
  .transform(({ waitUntil, ...rest }, context) => {
    if (waitUntil !== undefined) return { ...rest, waitUntilMs: Date.parse(waitUntil) };
    if (rest.standing === true) {
      const message = 'only a hunt can be standing: give waitUntil';
      context.issues.push({ code: 'custom', message, input: undefined, path: ['standing'] });
    }
    return { ...rest, waitUntilMs: undefined };
  })
  .transform(({ timeout, timeoutMs, ...rest }, context) => {
    const usualMs = Math.min(queryTimeoutMaxMs, Math.max(0, (rest.budget?.ms ?? 0) - budgetMs) + queryTimeoutDefaultMs);
    const given = timeoutMs ?? (timeout === undefined ? usualMs : parseDurationMs(timeout));
    if (timeout !== undefined && timeoutMs !== undefined) timeoutFault(context, 'give timeout or timeoutMs, not both');
    else if (!isTimeout(given)) timeoutFault(context, TIMEOUT_FAULT);
    return { ...rest, timeoutMs: given ?? usualMs };
  });

export const reduceRequestSchema = z.strictObject({
  sql: sqlText,
  parameters: sqlParameters.optional(),
  merged: z.boolean().optional().meta({
    description: 'Of a query with `retryOf`: over its rows and those of the queries that it asks again.',
  }),
});

const ledgerCounts = Object.fromEntries(OUTCOMES.map((outcome) => [outcome, count])) as Record<
  (typeof OUTCOMES)[number],
  typeof count
>;

const away = count.optional().meta({
  description:
    'Only of a hunt: endpoints in scope that were not asked yet. They are not in `targeted`. Absent while they were not counted.',
});

export const ledgerSchema = z.object({ targeted: count, waiting: count, ...ledgerCounts, away }).meta({
  id: 'Ledger',
  description:
    'The count of endpoints in each outcome. `targeted` is always the sum of all the others, without `away`: `targeted + away` is the scope of a hunt.',
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

export const workingSchema = z
  .object({
    endpoints: count.meta({ description: 'How many of the endpoints waited for say how far they are.' }),
    paused: count.meta({ description: 'How many of them stand still: their machine is busy, or runs on battery.' }),
    looked: count.meta({ description: 'Files, processes and the like that they have looked at together.' }),
  })
  .meta({
    id: 'Working',
    description:
      'Endpoints that work on a long search, by their own word, every five seconds or when they poll. Absent when none says so.',
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
    tables: z
      .array(z.string())
      .optional()
      .meta({ description: 'The tables that it reads, sorted. Absent where an older service started it.' }),
    reduce: z.string().optional(),
    retryOf: z.string().optional().meta({ description: 'The query that it asks again, where it gave no answer.' }),
    pack: z
      .object({ id: z.string(), version: z.string() })
      .optional()
      .meta({ description: 'Only of a scan, whose `sql` is empty: `/v1/scans/{id}` has what it found.' }),
    agents: count.optional().meta({ description: 'Asked of so many endpoints that were named, with `agents`.' }),
    parameters: z.record(z.string(), z.unknown()).optional().meta({
      description: 'As they are bound, in the form in which they are given. Absent when there are none.',
    }),
    timeoutMs: count,
    budget: queryBudgetSchema
      .optional()
      .meta({ description: 'What one endpoint may spend, where the caller said it.' }),
    operator: z.object({ id: z.string(), name: z.string() }),
    createdAt: timestamp,
    deadlineAt: timestamp,
    waitUntil: timestamp
      .optional()
      .meta({ description: 'Only of a hunt: it waits so long for endpoints that are away.' }),
    standing: z.literal(true).optional().meta({ description: 'A hunt that asks also endpoints which enrol later.' }),
    endedAt: timestamp.optional(),
    ledger: ledgerSchema,
    polling: pollingSchema.optional(),
    working: workingSchema.optional(),
    offline: count.meta({ description: 'Enrolled endpoints in scope that were not connected at the start.' }),
    rows: count.meta({ description: 'Rows (raw) or groups (group) kept so far.' }),
    warned: count.optional().meta({
      description: 'Endpoints whose answers lack something, by their own word. Absent when there are none.',
    }),
    unfinished: count.optional().meta({
      description:
        'Those of them that did not finish a long search: their rows are those until then. Absent when there are none.',
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
    code: z
      .string()
      .meta({ description: '`unreadable`, `cut`, `too_large`, `too_slow`, `ambiguous`, `missed`, and others.' }),
    count: count.meta({ description: 'How many objects.' }),
    message: z.string().meta({ description: 'One of them.' }),
  })
  .meta({ id: 'Warning', description: 'What the answer of an endpoint lacks, and why.' });

// Typed as what callers get who do not ask for `waiting`.
const unansweredSchema = queryFailureSchema
  .extend({ outcome: z.enum([...OUTCOMES, 'waiting']).meta({ description: '`waiting` only where it is asked for.' }) })
  .meta({ id: 'Unanswered' }) as unknown as typeof queryFailureSchema;

export const queryFailurePageSchema = z
  .object({
    state: queryStateSchema,
    ledger: ledgerSchema.optional().meta({
      description: 'With `merged`: how the endpoints of all these queries stand, each as it was asked last.',
    }),
    items: z.array(unansweredSchema),
    nextCursor,
  })
  .meta({ id: 'FailurePage' });

export const queryWarningPageSchema = z
  .object({
    state: queryStateSchema,
    items: z
      .array(queryWarningSchema)
      .meta({ description: 'The first few thousand; `warned` of the query counts the endpoints of all.' }),
    nextCursor,
  })
  .meta({ id: 'WarningPage' });

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

export const ROW_SHAPES = ['arrays', 'objects'] as const;
export type RowShape = (typeof ROW_SHAPES)[number];

export const rowShapeParameter = z.enum(ROW_SHAPES).default('arrays').meta({
  description: '`arrays`: `values` in the order of `columns`. `objects`: `row` with values by column name.',
});

/** Values by column name. */
export const rowObject = z.record(z.string(), sqlValue).meta({
  description: 'Values by column name. SQL allows the same name twice: the second `name` is `name_2`.',
});

export const namedGroupSchema = groupSchema
  .omit({ values: true })
  .extend({ row: rowObject })
  .meta({ id: 'NamedGroup' });

export const namedRowSchema = z.object({ ...endpointName, row: rowObject }).meta({ id: 'NamedRow' });

/** What is answered without `rows=objects`, which is what callers of the client see, or with it. */
function orNamed<S extends z.ZodType>(plain: S, named: z.ZodType): S {
  return z.union([plain, named]) as unknown as S;
}

const anyRow = orNamed(rawRowSchema, namedRowSchema);
const anyGroup = orNamed(groupSchema, namedGroupSchema);

export const rowPageSchema = z
  .object({
    state: queryStateSchema.meta({ description: 'While it is `running`, more rows may come after the last page.' }),
    mode: z.enum(['raw', 'group']),
    columns: z.array(z.string()),
    items: z.array(z.union([anyRow, anyGroup])),
    nextCursor,
  })
  .meta({ id: 'RowPage' });

export const rowLineSchema = z
  .union([
    z.object({ columns: z.array(z.string()), mode: z.enum(['raw', 'group']), state: queryStateSchema }),
    anyRow,
    anyGroup,
  ])
  .meta({
    id: 'RowLine',
    description:
      'One line: the first has the columns, each other one row or group. With `rows=objects` there is no line of columns.',
  });

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
      working: workingSchema.optional(),
      elapsedMs: z.number(),
      gateways: count,
    }),
    z.object({
      event: z.literal('rows'),
      seq,
      answers: z.array(z.object({ ...endpointName, rows: z.array(orNamed(rowValues, rowObject)) })),
      ledger: ledgerSoFar,
    }),
    z
      .object({
        event: z.literal('groups'),
        seq,
        groups: z.array(anyGroup),
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
export type WorkingJson = Json<typeof workingSchema>;
export type QueryState = Json<typeof queryStateSchema>;
export type QueryJson = Json<typeof querySchema>;
export type EndpointNameJson = Json<typeof endpointNameSchema>;
export type WarningJson = Json<typeof queryWarningSchema>;
export type FailureJson = Json<typeof queryFailureSchema>;
export type GroupJson = Json<typeof groupSchema>;
export type RawRowJson = Json<typeof rawRowSchema>;
export type NamedRowJson = Json<typeof namedRowSchema>;
export type NamedGroupJson = Json<typeof namedGroupSchema>;
export type RowPageJson = Json<typeof rowPageSchema>;
export type ReducedJson = Json<typeof reducedSchema>;
export type QueryEvent = Json<typeof queryEventSchema>;
