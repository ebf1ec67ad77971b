import type { StreamStore } from '@muster/bus';
import { z } from 'zod';
import { cursorParameter, decodeCursor, encodeCursor, limitParameter, position } from '../http/cursor.js';
import { defineOperation, json, type Operation } from '../http/operation.js';
import { nextCursor, problems, timestamp } from '../http/schemas.js';
import { isoTime } from '../queries/query-json.js';
import { readAudit } from './audit-reader.js';

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

/** Reading what people did and were refused. */
export function auditOperations({ streams }: { readonly streams: StreamStore }): Operation[] {
  return [
    defineOperation({
      id: 'listAudit',
      method: 'get',
      path: '/v1/audit',
      tag: 'audit',
      action: 'audit.list',
      summary: 'The audit record, newest first',
      description: 'A page may be short, or empty, and have a next one all the same, when a filter matches seldom.',
      access: 'audit:read',
      query: z.strictObject({
        actor: z.string().max(200).optional().meta({ description: 'An id or a name.' }),
        action: z.string().max(100).optional().meta({ description: '`query.start`, or `query` for all of its kind.' }),
        outcome: outcome.optional(),
        limit: limitParameter(100, 1_000),
        cursor: cursorParameter,
      }),
      responses: {
        200: {
          description: 'A page.',
          content: {
            'application/json': z.object({ items: z.array(auditSchema), nextCursor }).meta({ id: 'AuditPage' }),
          },
        },
        ...problems('bad_cursor'),
      },
      handle: async ({ principal, query: { limit, cursor, ...filter }, signal }) => {
        const before = cursor === undefined ? undefined : decodeCursor('audit', cursor, [position])[0];
        // Whoever is bounded sees what they did themselves: the rest tells of endpoints that they must not see.
        if (principal.bound.length > 0) filter.actor = principal.id;
        const page = await readAudit(streams, principal.org, { before, limit, filter, signal });
        return json(200, {
          items: page.entries.map(({ seq, record: { atMs, org: _org, ...record } }) => ({
            seq,
            at: isoTime(atMs),
            ...record,
          })),
          ...(page.before === undefined ? {} : { nextCursor: encodeCursor('audit', [page.before]) }),
        });
      },
    }),
  ];
}
