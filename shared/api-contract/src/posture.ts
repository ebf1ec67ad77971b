import { CHECK_OUTCOMES } from '@muster/protocol/vocabulary';
import { z } from 'zod';
import { count, selectorText, timestamp } from './fields.js';
import { defineOperations, jsonAnswer, type Json } from './operation.js';
import { cursorParameter, limitParameter, nextCursor } from './paging.js';
import {
  ASKED_POSTURE as ASKED,
  packId,
  SCAN_TIMEOUT_MS,
  scanDetail,
  scanIdParameter,
  scanScore as score,
  scanTimeout,
} from './posture-fields.js';
import { ledgerSchema, queryStateSchema } from './query.js';
import { scanResultOperations } from './scan-results.js';

const packFields = {
  id: z.string(),
  version: z.string(),
  title: z.string(),
  checks: count,
  hash: z.string().meta({ description: 'SHA-256 of the checks, as endpoints compare it.' }),
  appliedBy: z.object({ id: z.string(), name: z.string() }),
  approvedBy: z
    .object({ id: z.string(), name: z.string() })
    .optional()
    .meta({ description: 'The second person, where the policy asked for one.' }),
  appliedAt: timestamp,
};
const packSchema = z.object(packFields).meta({ id: 'Pack', description: 'A signed set of checks.' });
const proposalFields = {
  id: z.string(),
  version: z.string(),
  title: z.string(),
  checks: count,
  hash: z.string().meta({ description: 'SHA-256 of the checks.' }),
  digest: z
    .string()
    .meta({ description: 'SHA-256 of the text. Who approves says it, so that nothing else is approved.' }),
  requestedBy: z.object({ id: z.string(), name: z.string() }),
  requestedAt: timestamp,
  expiresAt: timestamp,
  why: z.string().meta({ description: 'Why a second person must approve it.' }),
};
const proposalSchema = z
  .object(proposalFields)
  .meta({ id: 'PackProposal', description: 'A version of a pack that waits for the approval of another admin.' });
/** A check as the pack's text has it, for people and programs that do not read YAML. */
const packCheckSchema = z
  .object({
    id: z.string(),
    title: z.string(),
    description: z.string().optional(),
    severity: z.string(),
    platforms: z.array(z.string()),
    tags: z.array(z.string()).optional(),
    sql: z.string().optional().meta({ description: 'Absent where `not_applicable` says why there is none.' }),
    row_means: z.enum(['pass', 'fail']).optional(),
    applies_if: z.string().optional(),
    not_applicable: z.string().optional(),
    remediation: z.string().optional(),
    action: z
      .object({ name: z.string(), params: z.record(z.string(), z.unknown()).optional() })
      .optional()
      .meta({
        description:
          'What mends it: an action of `/v1/actions`, bound to the rows of `sql` unless its `params` name its object.',
      }),
    references: z.record(z.string(), z.array(z.string())).optional(),
  })
  .meta({ id: 'PackCheck' });

const wholePackSchema = z.object({
  ...packFields,
  description: z.string().optional(),
  license: z.string().optional(),
  contents: z.array(packCheckSchema).meta({ description: 'Its checks, in their order.' }),
  text: z.string().meta({ description: 'YAML, as it was applied.' }),
});

const checkCountsSchema = z
  .object({
    id: z.string(),
    title: z.string(),
    severity: z.string(),
    ...(Object.fromEntries(CHECK_OUTCOMES.map((outcome) => [outcome, count])) as Record<
      (typeof CHECK_OUTCOMES)[number],
      typeof count
    >),
    excepted: count.meta({ description: 'How many of those that fail are excepted: the score leaves them out.' }),
    uncounted: count.meta({ description: 'Endpoints that answered, but not everything of what they said was kept.' }),
  })
  .meta({ id: 'CheckCounts', description: 'How many endpoints have each outcome of one check.' });

const ids = z.array(z.string());
const scanFields = {
  id: z.string().meta({ description: 'That of its query: `/v1/queries/{id}/events` tells how it goes.' }),
  state: queryStateSchema,
  recorded: z.boolean().meta({ description: 'What it found is counted. False while it runs, and for a moment after.' }),
  pack: z.object({ id: z.string(), version: z.string() }),
  selector: z.string(),
  scope: z.string(),
  detail: scanDetail,
  operator: z.object({ id: z.string(), name: z.string() }),
  createdAt: timestamp,
  endedAt: timestamp.optional(),
  waitUntil: timestamp.optional(),
  ledger: ledgerSchema,
  offline: count,
  score,
  truncated: z.string().optional().meta({ description: 'Why not every outcome is counted.' }),
  failing: z.record(z.string(), count).optional().meta({
    description: 'How many checks fail somewhere without an exception, by severity. Absent while it is not counted.',
  }),
  previous: z
    .object({ id: z.string(), score })
    .optional()
    .meta({ description: 'The complete scan before it of the same pack and scope.' }),
  changes: z.object({ fails: ids, mended: ids, still: ids, spreads: ids.optional() }).optional().meta({
    description:
      'Since then: checks that fail and did not, that failed and do not, that failed then and now, and of these those that spread: more of the endpoints that were scanned then fail. A check without a verdict then is in none, nor one that fails nowhere while fewer endpoints answer it than did.',
  }),
};
const scanSummarySchema = z.object(scanFields).meta({ id: 'ScanSummary', description: 'A pack run over a selection.' });
const scanSchema = z.object({ ...scanFields, checks: z.array(checkCountsSchema).optional() }).meta({ id: 'Scan' });

const startScanSchema = z
  .strictObject({
    pack: packId.meta({ description: 'The id of a pack; its newest version runs.' }),
    selector: selectorText.default('').meta({ description: 'Which endpoints; empty means all.' }),
    timeout: scanTimeout.optional(),
    detail: scanDetail.optional(),
    waitUntil: timestamp.optional().meta({
      description: 'Until this time, at most 14 days from now, endpoints that are away are scanned when they connect.',
    }),
    standing: z.boolean().optional().meta({ description: 'With `waitUntil`: also endpoints which enrol later.' }),
  })
  .transform(({ timeout = SCAN_TIMEOUT_MS, waitUntil, ...rest }) => ({
    ...{ ...rest, timeoutMs: timeout },
    ...(waitUntil === undefined ? {} : { waitUntilMs: Date.parse(waitUntil) }),
  }));

const packIdParameter = z.object({ id: packId.meta({ description: "The pack's id." }) });

const packOperations = defineOperations('packs', {
  applyPack: {
    method: 'post',
    path: '/v1/packs',
    action: 'pack.apply',
    audited: true,
    summary: 'Apply a version of a pack, in the name of an admin',
    description:
      'The pack is read and its SQL compiled; then its checks are signed, so that endpoints run them. A version that is applied already may be applied again, with the same checks. Where the policy of the command service asks for a second person it waits for the approval of another admin, for seven days, instead of what waited before.',
    access: 'packs:apply',
    body: z.strictObject({ text: z.string().min(1).meta({ description: 'The pack, YAML.' }) }),
    answers: {
      201: jsonAnswer('It is applied.', packSchema),
      202: jsonAnswer('The policy asks for a second person: it waits, and endpoints do not run it.', proposalSchema),
    },
    problems: ['bad_pack', 'conflict', 'too_large', 'unsupported_media_type', 'no_command_service', ...ASKED],
  },
  listPacks: {
    method: 'get',
    path: '/v1/packs',
    action: 'pack.list',
    summary: 'The packs that are applied',
    access: 'queries:read',
    answers: { 200: jsonAnswer('All of them, by id.', z.object({ items: z.array(packSchema) })) },
    problems: ASKED,
  },
  showPack: {
    method: 'get',
    path: '/v1/packs/{id}',
    action: 'pack.show',
    summary: 'The newest version of a pack, with its checks and its text',
    access: 'queries:read',
    params: packIdParameter,
    answers: { 200: jsonAnswer('The pack.', wholePackSchema) },
    problems: ['not_found', ...ASKED],
  },
  removePack: {
    method: 'delete',
    path: '/v1/packs/{id}',
    action: 'pack.remove',
    audited: true,
    summary: 'Remove a pack: nobody can run it any more',
    description:
      'Refused (`conflict`) while a schedule runs it, paused or not. What its versions found stays readable, scans and hunts that run go on, and what waits for approval under its id waits no longer. Its versions keep their checks: a version that was applied once may be applied again with the same checks only. It needs an admin without a selector.',
    access: 'packs:apply',
    params: packIdParameter,
    answers: { 204: { description: 'It is removed.' } },
    problems: ['not_found', 'conflict', ...ASKED],
  },
});

const digest = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'is not the digest of a text')
  .meta({ description: 'Of the text that was read.' });

const proposalOperations = defineOperations('packs', {
  listPackProposals: {
    method: 'get',
    path: '/v1/pack-proposals',
    action: 'pack.proposals',
    summary: 'Packs that wait for the approval of another admin',
    access: 'queries:read',
    answers: { 200: jsonAnswer('All of them, by id.', z.object({ items: z.array(proposalSchema) })) },
    problems: ASKED,
  },
  showPackProposal: {
    method: 'get',
    path: '/v1/pack-proposals/{id}',
    action: 'pack.proposal',
    summary: 'The version of a pack that waits for approval, with its text',
    access: 'queries:read',
    params: packIdParameter,
    answers: {
      200: jsonAnswer('It waits.', z.object({ ...proposalFields, text: z.string().meta({ description: 'YAML.' }) })),
    },
    problems: ['not_found', ...ASKED],
  },
  approvePack: {
    method: 'post',
    path: '/v1/pack-proposals/{id}/approve',
    action: 'pack.approve',
    audited: true,
    summary: 'Approve what another admin has applied; it is signed with both names, and endpoints run it',
    access: 'packs:apply',
    params: packIdParameter,
    body: z.strictObject({ digest }),
    answers: { 200: jsonAnswer('It is applied.', packSchema) },
    problems: [
      ...(['not_found', 'conflict', 'self_approval', 'unsupported_media_type', 'no_command_service'] as const),
      ...ASKED,
    ],
  },
  rejectPack: {
    method: 'post',
    path: '/v1/pack-proposals/{id}/reject',
    action: 'pack.reject',
    audited: true,
    summary: 'Reject a version of a pack that waits for approval, or withdraw your own',
    description:
      'Nobody can approve that text any more; it may be applied, and then waits, again. `conflict` when somebody has approved it, or another text waits by now. It needs an admin without a selector.',
    access: 'packs:apply',
    params: packIdParameter,
    body: z.strictObject({
      digest,
      reason: z.string().min(1).max(500).optional().meta({ description: 'Why; it is in the audit record.' }),
    }),
    answers: { 200: jsonAnswer('It waits no longer: what it was.', proposalSchema) },
    problems: ['not_found', 'conflict', 'unsupported_media_type', ...ASKED],
  },
});

const scanOperations = defineOperations('scans', {
  startScan: {
    method: 'post',
    path: '/v1/scans',
    action: 'scan.start',
    audited: true,
    summary: 'Run a pack on every connected endpoint in scope',
    description:
      'Answers as soon as the scan has started. It is a query whose rows are outcomes of checks: `/v1/queries/{id}/events` tells how it goes, and `DELETE /v1/queries/{id}` cancels it.',
    access: 'queries:run',
    body: startScanSchema,
    idempotent: 'query_id',
    answers: {
      201: { ...jsonAnswer('It runs.', scanSchema), headers: { location: 'Where the scan is.' } },
    },
    problems: [
      ...(['not_found', 'bad_selector', 'bad_timeout', 'too_large', 'unsupported_media_type'] as const),
      ...(['too_many_queries', 'idempotency_mismatch', 'no_query_service', 'no_telemetry_service'] as const),
      ...ASKED,
    ],
  },
  listScans: {
    method: 'get',
    path: '/v1/scans',
    action: 'scan.list',
    summary: 'Scans that have ended, newest first',
    access: 'queries:read',
    query: z.strictObject({
      pack: packId.optional().meta({ description: 'Only scans of this pack.' }),
      scope: z.string().max(8_192).optional().meta({
        description: 'Only scans of exactly this scope; empty: of all endpoints. With `pack` this is its trend.',
      }),
      limit: limitParameter(50, 200),
      cursor: cursorParameter,
    }),
    answers: {
      200: jsonAnswer('A page.', z.object({ items: z.array(scanSummarySchema), nextCursor }).meta({ id: 'ScanPage' })),
    },
    problems: ['bad_cursor', ...ASKED],
  },
  showScan: {
    method: 'get',
    path: '/v1/scans/{id}',
    action: 'scan.show',
    summary: 'One scan: its ledger, score, and the outcomes of each check',
    access: 'queries:read',
    params: scanIdParameter,
    answers: { 200: jsonAnswer('The scan.', scanSchema) },
    problems: ['not_found', ...ASKED],
  },
});

/** Packs, and scans with them. */
export const postureOperations = {
  ...{ ...packOperations, ...proposalOperations },
  ...{ ...scanOperations, ...scanResultOperations },
} as const;

export type PackProposalJson = Json<typeof proposalSchema>;
export type PackJson = Json<typeof packSchema>;
export type WholePackJson = Json<typeof wholePackSchema>;
export type PackCheckJson = Json<typeof packCheckSchema>;
export type ScanJson = Json<typeof scanSchema>;
export type CheckCountsJson = Json<typeof checkCountsSchema>;
