import { LIMITS, VULNERABILITY_SEVERITIES } from '@muster/protocol/vocabulary';
import { z } from 'zod';
import { count, duration, label, selectorText, timestamp } from './fields.js';
import { defineOperations, jsonAnswer, type Json } from './operation.js';
import { cursorParameter, limitParameter, nextCursor } from './paging.js';
import { ledgerSchema } from './query.js';

const severity = z.enum(VULNERABILITY_SEVERITIES).meta({
  description: 'By the CVSS score of the newest version that the records have; `unknown` without one.',
});
const bySeverity = z.object(
  Object.fromEntries(VULNERABILITY_SEVERITIES.map((one) => [one, count])) as Record<
    (typeof VULNERABILITY_SEVERITIES)[number],
    typeof count
  >,
);
const endpointsAtLeast = count.meta({ description: 'Endpoints that have it: at least so many.' });
const endpointsAtMost = count.meta({
  description:
    'And at most so many. The numbers differ where several packages or versions have it: it is not known which endpoints have more than one of them.',
});

const scanIdText = z.string().regex(/^v[0-9a-hjkmnp-tv-z]{26}$/, 'is not the id of a scan for vulnerabilities');
const scanId = scanIdText.meta({ description: "The scan's id." });

const unknownSchema = z
  .object({
    ecosystem: z.string().meta({ description: 'As OSV names it; else the platform.' }),
    reason: z.string(),
    packages: count.meta({ description: 'Packages and versions; 0 where no package is known of these endpoints.' }),
    endpointsAtLeast,
    endpointsAtMost,
    sample: z.array(z.string()).meta({ description: 'Some of the packages.' }),
  })
  .meta({ id: 'NotKnown', description: 'Packages of which nobody knows whether they are vulnerable, and why.' });

const scanFields = {
  id: z.string(),
  state: z.enum(['running', 'complete', 'interrupted', 'failed']).meta({
    description:
      '`running`: endpoints answer, or their packages are compared. `interrupted`: a question ended early; what it did not see is not known.',
  }),
  selector: z.string(),
  scope: z.string(),
  operator: z.object({ id: z.string(), name: z.string() }),
  createdAt: timestamp,
  endedAt: timestamp.optional(),
  fault: z.string().optional().meta({ description: 'Why it failed.' }),
  questions: z
    .array(
      z.object({
        kind: z.string().meta({ description: '`systems`, `deb`, `rpm`, `npm`, `python`' }),
        query: z.string().meta({ description: 'Its id: `GET /v1/queries/{id}/endpoints` names who did not answer.' }),
        state: z.string(),
        ledger: ledgerSchema.optional(),
        truncated: z.string().optional(),
      }),
    )
    .meta({ description: 'What the endpoints were asked; each has its ledger.' }),
  feeds: z
    .array(z.object({ name: z.string(), kind: z.string(), records: count, refused: count, importedAt: timestamp }))
    .optional(),
  packages: z
    .object({ vulnerable: count, not_vulnerable: count, not_known: count })
    .optional()
    .meta({ description: 'Distinct packages and versions, by answer.' }),
  vulnerabilities: bySeverity.optional().meta({ description: 'How many, by severity; suppressed ones are not in it.' }),
  knownExploited: count.optional(),
  suppressed: count.optional(),
  truncated: z.string().optional().meta({ description: 'Why not everything is told.' }),
};
const scanSummarySchema = z
  .object(scanFields)
  .meta({ id: 'VulnerabilityScan', description: 'The software of a selection, compared with the feeds.' });
const scanSchema = z.object({ ...scanFields, notKnown: z.array(unknownSchema).optional() });

const vulnerabilityFields = {
  id: z.string().meta({ description: 'A CVE id where the records name one, else the id of the record.' }),
  advisories: z.array(z.string()).meta({ description: 'The records that say so.' }),
  summary: z.string().optional(),
  severity,
  cvss: z.object({ score: z.number(), vector: z.string() }).optional(),
  epss: z
    .object({ probability: z.number(), percentile: z.number() })
    .optional()
    .meta({ description: 'How probable it is that it is exploited in the next 30 days, by a feed of kind `epss`.' }),
  knownExploited: z
    .object({ dateAdded: z.string(), dueDate: z.string().optional(), ransomware: z.boolean() })
    .optional()
    .meta({ description: 'It is exploited, by a feed of kind `kev`.' }),
  fixable: z.boolean().meta({ description: 'Each package that has it has a version without it.' }),
  packages: count.meta({ description: 'Packages and versions that have it.' }),
  endpointsAtLeast,
  endpointsAtMost,
};
const vulnerabilitySchema = z.object(vulnerabilityFields).meta({ id: 'Vulnerability' });

const affectedSchema = z
  .object({
    ecosystem: z.string(),
    package: z.string(),
    version: z.string(),
    advisories: z.array(z.string()),
    fixedVersion: z.string().optional().meta({ description: 'The first version without it. Absent: there is none.' }),
    endpointsAtLeast,
    endpointsAtMost,
    sample: z.array(z.object({ num: count, agentId: z.string().nullable(), host: z.string().nullable() })),
    suppressed: z
      .object({ status: z.string(), justification: z.string().optional(), reason: z.string(), until: timestamp })
      .optional()
      .meta({ description: 'The VEX statement by which it does not count, until its end.' }),
  })
  .meta({ id: 'AffectedPackage', description: 'One version of a package, and who has it.' });

const wholeVulnerabilitySchema = z.object({
  ...vulnerabilityFields,
  scan: z.string(),
  affected: z.array(affectedSchema),
  isCut: z.boolean().meta({ description: 'There are more packages than an answer holds.' }),
  question: z.object({ sql: z.string(), selector: z.string() }).optional().meta({
    description:
      'Asked as a query, it names every endpoint that has one of these packages now. Absent where no question names exactly those: kernels, Rocky Linux, more than 500 packages and versions.',
  }),
});

const scanParameter = scanIdText.optional().meta({
  description:
    'Which scan; without it the newest one of all endpoints (for a token with a selector: of its own) that went to its end and that somebody answered.',
});
const idParameter = z.object({
  id: label(128).meta({ description: 'A CVE id, or the id of a record.' }),
});
const byId = z.object({ id: scanId });
const flag = z
  .enum(['true', 'false'])
  .transform((text) => text === 'true')
  .optional();
const ASKED = ['no_posture_service', 'timeout'] as const;

const startSchema = z
  .strictObject({
    selector: selectorText.default('').meta({ description: 'Which endpoints; empty means all.' }),
    timeout: duration(
      LIMITS.queryTimeoutMinMs,
      LIMITS.queryTimeoutMaxMs,
      'bad_timeout',
      'How long an endpoint may take: 1s to 10m, default 60s.',
    ).optional(),
  })
  .transform(({ timeout = 60_000, ...rest }) => ({ ...rest, timeoutMs: timeout }));

/** Which software of the fleet has known vulnerabilities. */
export const vulnerabilityOperations = defineOperations('vulnerabilities', {
  startVulnerabilityScan: {
    method: 'post',
    path: '/v1/vulnerability-scans',
    action: 'vulnerability_scan.start',
    audited: true,
    summary: 'Ask all connected endpoints in scope for their software, and compare it with the feeds',
    description:
      'Answers as soon as the endpoints are asked. What was found is there when `state` is not `running` any more.',
    access: 'queries:run',
    idempotent: 'query_id',
    body: startSchema,
    answers: {
      201: { ...jsonAnswer('It runs.', scanSummarySchema), headers: { location: 'Where the scan is.' } },
    },
    problems: [
      ...(['bad_selector', 'bad_timeout', 'conflict', 'too_large', 'unsupported_media_type'] as const),
      ...(['too_many_queries', 'no_query_service', 'no_telemetry_service'] as const),
      ...ASKED,
    ],
  },
  listVulnerabilityScans: {
    method: 'get',
    path: '/v1/vulnerability-scans',
    action: 'vulnerability_scan.list',
    summary: 'Scans for vulnerabilities, newest first',
    access: 'queries:read',
    query: z.strictObject({ limit: limitParameter(50, 200), cursor: cursorParameter }),
    answers: { 200: jsonAnswer('A page.', z.object({ items: z.array(scanSummarySchema), nextCursor })) },
    problems: ['bad_cursor', ...ASKED],
  },
  showVulnerabilityScan: {
    method: 'get',
    path: '/v1/vulnerability-scans/{id}',
    action: 'vulnerability_scan.show',
    summary: 'One scan: whom it asked, what it found, and what is not known',
    access: 'queries:read',
    params: byId,
    answers: { 200: jsonAnswer('The scan.', scanSchema) },
    problems: ['not_found', ...ASKED],
  },
  listVulnerabilities: {
    method: 'get',
    path: '/v1/vulnerabilities',
    action: 'vulnerability.list',
    summary: 'The vulnerabilities that a scan found, those to look at first at the beginning',
    description:
      'Known exploited ones come first, then by EPSS, CVSS and number of endpoints. Suppressed ones are not in the list.',
    access: 'queries:read',
    query: z.strictObject({
      scan: scanParameter,
      severity: z
        .string()
        .max(100)
        .transform((text) => text.split(','))
        .pipe(z.array(severity).max(10))
        .optional()
        .meta({ description: 'Only these, separated by commas: `critical,high`.' }),
      package: label(512).optional().meta({ description: 'Only those of this package, by its exact name.' }),
      ecosystem: label(128).optional().meta({ description: 'Only those of this ecosystem, such as `Debian:12`.' }),
      search: label(128).optional().meta({ description: 'Only those whose id or package holds this text.' }),
      knownExploited: flag.meta({ description: '`true`: only those that are exploited.' }),
      fixable: flag.meta({ description: '`true`: only those with a version without them.' }),
      limit: limitParameter(100, 1_000),
      cursor: cursorParameter,
    }),
    answers: {
      200: jsonAnswer(
        'A page.',
        z.object({
          scan: z.string().nullable().meta({ description: 'Null: none has ended that you may see.' }),
          total: count.meta({ description: 'How many there are on all pages.' }),
          items: z.array(vulnerabilitySchema),
          nextCursor,
        }),
      ),
    },
    problems: ['bad_cursor', 'not_found', ...ASKED],
  },
  showVulnerability: {
    method: 'get',
    path: '/v1/vulnerabilities/{id}',
    action: 'vulnerability.show',
    summary: 'One vulnerability: which packages have it, on how many endpoints, and such as which',
    access: 'queries:read',
    params: idParameter,
    query: z.strictObject({ scan: scanParameter }),
    answers: { 200: jsonAnswer('The vulnerability.', wholeVulnerabilitySchema) },
    problems: ['not_found', ...ASKED],
  },
});

export type VulnerabilityScanJson = Json<typeof scanSchema>;
export type VulnerabilityJson = Json<typeof vulnerabilitySchema>;
export type WholeVulnerabilityJson = Json<typeof wholeVulnerabilitySchema>;
