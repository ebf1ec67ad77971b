import { z } from 'zod';
import { timestamp } from './fields.js';
import { defineOperations, type Json } from './operation.js';
import { cursorParameter, limitParameter, nextCursor, moment } from './paging.js';

const outcome = z.enum(['allowed', 'refused', 'failed']);

const auditSchema = z
  .object({
    seq: z.int(),
    at: timestamp,
    actor: z.string().meta({ description: 'The id of who did it; `unknown` when they could not tell who they are.' }),
    actorName: z.string(),
    action: z.string(),
    outcome,
    from: z.string(),
    subject: z.string().optional(),
    scope: z.string().optional(),
    code: z.string().optional(),
    details: z.record(z.string(), z.unknown()).optional(),
    prev: z
      .string()
      .optional()
      .meta({ description: 'SHA-256, hex, of the record before; absent in records from before the chain.' }),
  })
  .meta({ id: 'AuditRecord' });

/** Only what every OCSF event has: its schema is its own. */
const ocsfSchema = z
  .looseObject({
    class_uid: z.int(),
    type_uid: z.int(),
    time: z.int(),
    metadata: z.looseObject({ version: z.string(), sequence: z.int() }),
  })
  .meta({ id: 'OcsfEvent' });

const auditLineSchema = z
  .union([auditSchema, ocsfSchema, z.looseObject({ event: z.enum(['heartbeat', 'stalled']) })])
  .meta({ id: 'AuditLine' });

const linkSchema = z
  .object({
    seq: z.int(),
    hash: z
      .string()
      .meta({ description: "SHA-256, hex, of the record's bytes: of its deterministic CBOR (RFC 8949 §4.2.1)." }),
    record: z
      .looseObject({ prev: z.string().optional().meta({ description: 'The `hash` of the record before.' }) })
      .meta({ description: 'As it is kept.' }),
  })
  .meta({ id: 'AuditLink' });

const entrySchema = z
  .object({
    seq: z.int().meta({ description: "The entry's sequence in the journal: `details.seq` of its record." }),
    journal: z
      .string()
      .optional()
      .meta({ description: "SHA-256, hex, of the entry's bytes: `details.journal` of its record." }),
    action: z.string().optional().meta({ description: 'The `action` of its record.' }),
    command: z.string().optional(),
    at: timestamp.optional(),
    pending: z.boolean().optional().meta({ description: 'It is younger than a minute: its record may be under way.' }),
    end: z.boolean().optional().meta({ description: 'In the last line, which is no entry.' }),
  })
  .meta({ id: 'AuditedEntry' });

export const auditOperations = defineOperations('audit', {
  listAudit: {
    method: 'get',
    path: '/v1/audit',
    action: 'audit.list',
    summary: 'The audit record: pages, newest first, or a stream, oldest first',
    description:
      'A page may be short, or empty, and have a next one all the same, when a filter matches seldom. With `Accept: application/x-ndjson` it is a stream of one record a line, which goes on ' +
      'with `follow=true`; a reader who was cut off goes on with `Last-Event-ID` or `after`: the `seq` of the last record that it has (`metadata.sequence` in OCSF). ' +
      'A line with `event` is no record: `heartbeat` and `stalled` tell that the stream lives.',
    access: 'audit:read',
    query: z.strictObject({
      actor: z.string().max(200).optional().meta({ description: 'An id or a name.' }),
      action: z.string().max(100).optional().meta({ description: '`query.start`, or `query` for all of its kind.' }),
      outcome: outcome.optional(),
      since: moment.optional().meta({ description: 'Only records of this time or later, RFC 3339.' }),
      until: moment.optional().meta({ description: 'Only records before this time, RFC 3339.' }),
      after: z
        .string()
        .regex(/^\d{1,15}$/, 'must be the sequence of a record')
        .transform(Number)
        .optional()
        .meta({ description: 'Of a stream: only records after the one with this sequence.' }),
      follow: z
        .enum(['true', 'false'])
        .default('false')
        .transform((text) => text === 'true')
        .meta({ description: 'Of a stream: new records too, as they come.' }),
      schema: z
        .enum(['muster', 'ocsf'])
        .default('muster')
        .meta({ description: 'Of a stream: `ocsf` for events of the class API Activity (6003) of OCSF 1.2.' }),
      limit: limitParameter(100, 1_000),
      cursor: cursorParameter,
    }),
    answers: {
      200: {
        description: 'A page, or the stream.',
        content: {
          'application/json': z.object({ items: z.array(auditSchema), nextCursor }).meta({ id: 'AuditPage' }),
          'application/x-ndjson': auditLineSchema,
        },
      },
    },
    headers: { 'Last-Event-ID': 'Of a stream: the sequence of the last record that was seen.' },
    problems: ['bad_cursor', 'not_acceptable', 'draining'],
  },
  readAuditChain: {
    method: 'get',
    path: '/v1/audit/chain',
    action: 'audit.chain',
    summary: 'The whole audit record, oldest first, with the hashes that chain it',
    description:
      'One JSON object per line. Every record names the one before it by its hash: a record that was changed, removed, inserted or moved shows. ' +
      'Records from before the chain name none; they stand at the start only.',
    access: 'audit:read',
    query: z.strictObject({
      after: z
        .string()
        .regex(/^\d{1,15}$/, 'must be the sequence of a record')
        .transform(Number)
        .optional()
        .meta({ description: 'Only records after the one with this sequence.' }),
    }),
    answers: {
      200: { description: 'The records.', content: { 'application/x-ndjson': linkSchema } },
    },
    problems: ['not_acceptable'],
  },
  readAuditedJournal: {
    method: 'get',
    path: '/v1/audit/journal',
    action: 'audit.journal',
    summary: 'The entries of the command journal that must each have one audit record',
    description:
      'One JSON object per line, in the order of the journal; the last line has `end`. Compared with the chain it shows what was accepted or decided and is not in the ' +
      'audit record, or is there twice. The journal is kept for 30 days, the audit record for longer.',
    access: 'audit:read',
    query: z.strictObject({
      after: z
        .string()
        .regex(/^\d{1,15}$/, 'must be the sequence of an entry')
        .transform(Number)
        .optional()
        .meta({ description: 'Only entries after the one with this sequence.' }),
    }),
    answers: {
      200: { description: 'The entries.', content: { 'application/x-ndjson': entrySchema } },
    },
    problems: ['not_acceptable'],
  },
});

export type AuditRecordJson = Json<typeof auditSchema>;
export type AuditLinkJson = Json<typeof linkSchema>;
export type AuditedEntryJson = Json<typeof entrySchema>;
