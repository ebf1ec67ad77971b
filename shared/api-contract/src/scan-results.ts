import { CHECK_OUTCOMES } from '@muster/protocol/vocabulary';
import { z } from 'zod';
import { agentIdText, count, timestamp } from './fields.js';
import { defineOperations, jsonAnswer, type Json } from './operation.js';
import { cursorParameter, limitParameter, nextCursor } from './paging.js';
import { ASKED_POSTURE as ASKED, packId, scanIdParameter, scanScore } from './posture-fields.js';

const endpointName = { num: count, agentId: z.string().nullable(), host: z.string().nullable() };
const evidence = z
  .string()
  .nullable()
  .meta({ description: 'JSON: the rows that made it fail, by the word of the endpoints.' });
const reason = z.string().nullable().meta({ description: 'Why there is no verdict.' });

const findingSchema = z
  .object({
    check: z.string(),
    outcome: z.enum(CHECK_OUTCOMES),
    reason,
    evidence,
    endpoints: count,
    sample: z.array(z.object(endpointName)).meta({ description: 'Some of them.' }),
    exceptions: z
      .array(
        z.object({
          id: z.string(),
          owner: z.string(),
          reason: z.string(),
          until: timestamp,
          endpoints: z.int().positive(),
        }),
      )
      .meta({ description: 'By which exceptions how many of them may fail.' }),
  })
  .meta({ id: 'Finding', description: 'Equal evidence of one check, and who has it.' });

const scanEndpointSchema = z
  .object({
    check: z.string().optional().meta({ description: 'Absent from a posture service of the version before.' }),
    ...endpointName,
    outcome: z.enum(CHECK_OUTCOMES),
    reason,
    evidence,
    exception: z.string().optional().meta({ description: 'The id of the exception by which it may fail.' }),
  })
  .meta({ id: 'ScanEndpoint', description: 'The outcome of one check on one endpoint.' });

const outcomeCounts = Object.fromEntries(CHECK_OUTCOMES.map((outcome) => [outcome, count])) as Record<
  (typeof CHECK_OUTCOMES)[number],
  typeof count
>;
const scoreFields = {
  score: scanScore,
  ...outcomeCounts,
  excepted: count.meta({ description: 'Those of `fail` that an exception allows.' }),
};
const scanScoreSchema = z
  .object({
    num: count.optional(),
    agentId: z.string().nullable().optional(),
    host: z.string().nullable().optional(),
    value: z
      .string()
      .nullable()
      .optional()
      .meta({ description: 'With `by`: the value of that label; null where it has none.' }),
    endpoints: count.optional().meta({ description: 'With `by`: how many have it.' }),
    ...scoreFields,
  })
  .meta({
    id: 'ScanScore',
    description: 'The score of one endpoint, or with `by` of all endpoints with one value of a label.',
  });

const isWhole = z.boolean().meta({
  description:
    'Nothing is left out. False where the scan kept only some endpoints of a group (start it with `detail: endpoints`), and where the version of the pack that ran is not kept any more.',
});

const mendSchema = z
  .object({
    check: z.string(),
    title: z.string(),
    remediation: z.string().optional(),
    action: z.string().optional().meta({ description: 'Absent: no action mends this check.' }),
    params: z.record(z.string(), z.unknown()),
    target: z
      .union([
        z.object({ rows: z.array(z.object({ agentId: z.string(), row: z.record(z.string(), z.unknown()) })) }),
        z.object({ agentIds: z.array(z.string()) }),
      ])
      .optional()
      .meta({
        description: 'As `POST /v1/commands` takes it, with `action` and `params`. Absent where nobody is left.',
      }),
    endpoints: count.meta({ description: 'How many endpoints it is for.' }),
    excepted: count.meta({ description: 'Endpoints that fail and are left alone, because an exception allows it.' }),
    unreadable: count.meta({
      description: 'Endpoints left out: their evidence does not name the object, or they are not enrolled any more.',
    }),
    partly: count.meta({
      description: 'Of `endpoints`, those that have more rows than their evidence holds: the command is for some.',
    }),
    isWhole,
  })
  .meta({ id: 'Mend', description: 'The command that mends a check on the endpoints that failed it.' });

/** Formats of findings, by the name that `format` takes. */
export const FINDING_FORMATS = {
  json: 'application/json',
  ndjson: 'application/x-ndjson',
  csv: 'text/csv',
  sarif: 'application/sarif+json',
  ocsf: 'application/vnd.muster.ocsf+x-ndjson',
} as const;

export const scanResultOperations = defineOperations('scans', {
  listFindings: {
    method: 'get',
    path: '/v1/scans/{id}/findings',
    action: 'scan.findings',
    summary: 'What fails in a scan, with its evidence; also while it runs',
    description:
      'With `check`, everything of that check that does not pass. JSON holds the first ones; NDJSON, CSV (text that begins with =, +, - or @ has an apostrophe before it), SARIF 2.1.0 and ' +
      'OCSF (Compliance Finding, 2003, one event a line) hold all, by `format` or `Accept`; of a scan that runs at most 50,000, more is `too_large`. They are written as they are read: an answer that breaks off is not whole.',
    access: 'queries:read',
    params: scanIdParameter,
    query: z.strictObject({
      check: packId.optional(),
      format: z
        .enum(Object.keys(FINDING_FORMATS) as [keyof typeof FINDING_FORMATS, ...(keyof typeof FINDING_FORMATS)[]])
        .optional()
        .meta({ description: 'Instead of `Accept`.' }),
    }),
    answers: {
      200: {
        description: 'Those that concern most endpoints first.',
        content: {
          [FINDING_FORMATS.json]: z.object({
            items: z.array(findingSchema),
            isCut: z.boolean().meta({ description: 'There are more than an answer holds: ask for one check.' }),
          }),
          [FINDING_FORMATS.ndjson]: findingSchema,
          [FINDING_FORMATS.csv]: undefined,
          [FINDING_FORMATS.sarif]: undefined,
          [FINDING_FORMATS.ocsf]: undefined,
        },
      },
    },
    problems: ['not_found', 'results_expired', 'not_acceptable', ...ASKED],
  },
  listScanEndpoints: {
    method: 'get',
    path: '/v1/scans/{id}/endpoints',
    action: 'scan.endpoints',
    summary: 'The outcome of one check on every endpoint, or of every check on one endpoint',
    description:
      'A posture service of the version before cannot tell of one endpoint: with `agent` a page may then be short, or empty, and have a next one all the same; `isWhole` is false.',
    access: 'queries:read',
    params: scanIdParameter,
    query: z.strictObject({
      check: packId.optional().meta({ description: 'The id of a check of its pack. This or `agent` must be given.' }),
      agent: agentIdText.optional().meta({
        description:
          'Only this endpoint (`not_found`: there is none, or it is out of bounds); then all its checks are on one page.',
      }),
      outcome: z.enum(CHECK_OUTCOMES).optional().meta({ description: 'Only this one.' }),
      limit: limitParameter(200, 1_000),
      cursor: cursorParameter,
    }),
    answers: {
      200: jsonAnswer(
        'A page, in the order of enrolment.',
        z.object({ items: z.array(scanEndpointSchema), isWhole, nextCursor }).meta({ id: 'ScanEndpointPage' }),
      ),
    },
    problems: ['bad_cursor', 'not_found', 'results_expired', ...ASKED],
  },
  listScanScores: {
    method: 'get',
    path: '/v1/scans/{id}/scores',
    action: 'scan.scores',
    summary: 'The score of each endpoint of a scan, or of each value of a label',
    description: 'The worst first. It needs the outcomes of every endpoint: `detail: endpoints`.',
    access: 'queries:read',
    params: scanIdParameter,
    query: z.strictObject({
      by: z
        .string()
        .min(1)
        .max(63)
        .optional()
        .meta({ description: 'A label: `site`, or a built-in one such as `os`.' }),
      limit: limitParameter(200, 1_000),
      cursor: cursorParameter,
    }),
    answers: {
      200: jsonAnswer(
        'A page.',
        z.object({ items: z.array(scanScoreSchema), isWhole, nextCursor }).meta({ id: 'ScanScorePage' }),
      ),
    },
    problems: ['bad_cursor', 'not_found', 'results_expired', ...ASKED],
  },
  planMend: {
    method: 'get',
    path: '/v1/scans/{id}/mend',
    action: 'scan.mend',
    summary: 'The command that would mend a check where it failed; nothing is ordered',
    description:
      'The action of the check, bound to the evidence of each endpoint that failed without an exception. Give it to `POST /v1/commands`, first with `dryRun`: an endpoint where the evidence is no longer true refuses it.',
    access: 'queries:read',
    params: scanIdParameter,
    query: z.strictObject({ check: packId.meta({ description: 'The id of a check of its pack.' }) }),
    answers: { 200: jsonAnswer('What to order.', mendSchema) },
    problems: ['not_found', 'results_expired', ...ASKED],
  },
});

export type FindingJson = Json<typeof findingSchema>;
export type ScanEndpointJson = Json<typeof scanEndpointSchema>;
export type ScanScoreJson = Json<typeof scanScoreSchema>;
export type MendJson = Json<typeof mendSchema>;
