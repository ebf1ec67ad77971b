import type { StreamStore } from '@muster/bus';
import { AppError, type OrgId } from '@muster/protocol';
import { auditHash, decodeRecord, STREAM_SUBJECTS, STREAMS, type AuditRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { z } from 'zod';
import { DrainWriter } from '../http/drain-writer.js';
import { defineOperation, type Answer, type Operation } from '../http/operation.js';
import { problems } from '../http/schemas.js';

export interface ChainParts {
  readonly streams: StreamStore;
  readonly clock: Clock;
}

const STALL_MS = 60_000;

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

/** The audit record as it is kept, for whoever checks that nothing in it was changed. */
export function chainOperation({ streams, clock }: ChainParts): Operation {
  return defineOperation({
    id: 'readAuditChain',
    method: 'get',
    path: '/v1/audit/chain',
    tag: 'audit',
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
    responses: {
      200: { description: 'The records.', content: { 'application/x-ndjson': linkSchema } },
      ...problems('not_acceptable'),
    },
    handle: ({ principal, query, negotiate, signal }): Answer => {
      if (principal.bound.length > 0) {
        throw new AppError('forbidden', 'the chain holds records of all endpoints, and a selector bounds your token');
      }
      negotiate('application/x-ndjson');
      return {
        kind: 'stream',
        status: 200,
        headers: { 'content-type': 'application/x-ndjson; charset=utf-8' },
        write: async (response) => {
          const writer = new DrainWriter(response, { clock, stallMs: STALL_MS });
          for await (const line of lines(streams, principal.org, query.after ?? 0, signal)) {
            if ((await writer.write(line)) !== 'written') return;
          }
          await writer.flush();
          response.end();
        },
      };
    },
  });
}

async function* lines(streams: StreamStore, org: OrgId, after: number, signal: AbortSignal): AsyncGenerator<string> {
  const entries = streams.read(STREAMS.audit.name, { subject: STREAM_SUBJECTS.audit(org), fromSeq: after + 1, signal });
  for await (const { seq, data } of entries) {
    yield `${JSON.stringify({ seq, hash: auditHash(data), record: decodeRecord<AuditRecord>(data) })}\n`;
  }
}
