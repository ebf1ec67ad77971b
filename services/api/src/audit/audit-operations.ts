import { operations } from '@muster/api-contract';
import type { StreamStore } from '@muster/bus';
import { decodeCursor, encodeCursor, position } from '../http/cursor.js';
import { isoTime } from '../http/json-members.js';
import { implement, json, type Operation } from '../http/operation.js';
import { readAudit } from './audit-reader.js';

/** Reading the audit record. */
export function auditOperations({ streams }: { readonly streams: StreamStore }): Operation[] {
  return [
    implement(operations.listAudit, async ({ principal, query: { limit, cursor, ...filter }, signal }) => {
      const before = cursor === undefined ? undefined : decodeCursor('audit', cursor, [position])[0];
      // A bounded principal sees only their own records: others may name endpoints outside the bound.
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
    }),
  ];
}
