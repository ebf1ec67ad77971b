import { operations, type AuditRecordJson } from '@muster/api-contract';
import type { StreamStore } from '@muster/bus';
import { AppError } from '@muster/protocol';
import type { AuditRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { decodeCursor, encodeCursor, position } from '../http/cursor.js';
import { isoTime } from '../http/json-members.js';
import { implement, json, type Operation } from '../http/operation.js';
import { lastSeen, type Viewers } from '../http/viewers.js';
import { readAudit } from './audit-reader.js';
import { auditStream } from './audit-stream.js';
import { ocsfEvent } from './ocsf.js';

export interface AuditParts {
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly viewers: Viewers;
}

const JSON_PAGE = 'application/json';
const LINES = 'application/x-ndjson';

/** Reading the audit record: a page of it, newest first, or a stream of it, oldest first. */
export function auditOperations({ streams, clock, viewers }: AuditParts): Operation[] {
  return [
    implement(operations.listAudit, async ({ principal, query, header, negotiate, signal }) => {
      const { limit, cursor, after, follow, schema, actor, action, outcome, since: sinceMs, until: untilMs } = query;
      // A bounded principal sees only their own records: others may name endpoints outside the bound.
      const ownActor = principal.bound.length > 0 ? principal.id : actor;
      const filter = { actor: ownActor, action, outcome, sinceMs, untilMs };
      if (negotiate(JSON_PAGE, LINES) === LINES) {
        const afterSeq = lastSeen(header('last-event-id'), after);
        const lineOf = schema === 'ocsf' ? ocsfEvent : auditJson;
        return viewers.answer({
          ...{ principal, format: 'ndjson', subject: 'audit' },
          events: (closed, heartbeatMs) =>
            auditStream({
              ...{ streams, clock, org: principal.org, filter, afterSeq, follow, lineOf },
              ...{ signal: closed, heartbeatMs },
            }),
        });
      }
      if (after !== undefined || follow || schema !== 'muster')
        throw new AppError('bad_request', `after, follow and schema are for Accept: ${LINES}`);
      const before = cursor === undefined ? undefined : decodeCursor('audit', cursor, [position])[0];
      const page = await readAudit(streams, principal.org, { before, limit, filter, signal });
      return json(200, {
        items: page.entries.map(({ seq, record }) => auditJson(seq, record)),
        ...(page.before === undefined ? {} : { nextCursor: encodeCursor('audit', [page.before]) }),
      });
    }),
  ];
}

function auditJson(seq: number, { atMs, org: _org, ...record }: AuditRecord): AuditRecordJson {
  return { seq, at: isoTime(atMs), ...record };
}
