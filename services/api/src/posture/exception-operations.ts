import { operations, type ExceptionJson } from '@muster/api-contract';
import { AppError, joinSelectors } from '@muster/protocol';
import type { ExceptionRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { isoTime } from '../http/json-members.js';
import { implement, json, type Operation } from '../http/operation.js';
import type { Principal } from '../http/principal.js';
import { maySee } from '../queries/query-store.js';
import type { PostureClient } from '../upstream/posture-client.js';
import { allParts } from './all-parts.js';
import { decisionId } from './decision-id.js';

export interface ExceptionParts {
  readonly client: PostureClient;
  readonly clock: Clock;
}

/** Checks that may fail on some endpoints until a moment. */
export function exceptionOperations(parts: ExceptionParts): Operation[] {
  return [createOperation(parts), listOperation(parts), deleteOperation(parts)];
}

function createOperation({ client, clock }: ExceptionParts): Operation {
  return implement(operations.createException, async ({ principal, body, note, requestKey }) => {
    const scope = joinSelectors(body.selector, principal.selector);
    const { pack, check, owner, reason, untilMs } = body;
    note({ scope, details: { pack, check, owner, reason, until: isoTime(untilMs) } });
    const request = {
      ...{ t: 'create_exception' as const, org: principal.org, by: { id: principal.id, name: principal.name } },
      ...{ id: decisionId('exc', requestKey), terms: { ...body, scope } },
    };
    const { exception } = await client.ask(request, 'exception');
    note({ subject: exception.id, scope, details: { pack, check, owner, reason, until: isoTime(untilMs) } });
    return json(201, exceptionJson(exception, clock.now()), {
      headers: { location: `/v1/exceptions/${exception.id}` },
    });
  });
}

function listOperation({ client, clock }: ExceptionParts): Operation {
  return implement(operations.listExceptions, async ({ principal, query: { pack, check, ended } }) => {
    const nowMs = clock.now();
    const shown = (await visible(client, principal)).filter(
      (one) =>
        (pack === undefined || one.pack === pack) &&
        (check === undefined || one.check === check) &&
        (ended === 'include' || one.untilMs > nowMs),
    );
    return json(200, { items: shown.map((one) => exceptionJson(one, nowMs)) });
  });
}

function deleteOperation({ client }: ExceptionParts): Operation {
  return implement(operations.deleteException, async ({ principal, params: { id }, note }) => {
    note({ subject: id });
    const exception = (await visible(client, principal)).find((one) => one.id === id);
    if (exception === undefined) throw new AppError('not_found', `there is no exception ${id}`);
    const { pack, check, scope } = exception;
    note({ subject: id, scope, details: { pack, check } });
    const by = { id: principal.id, name: principal.name };
    await client.ask({ t: 'delete_exception', org: principal.org, id, by }, 'exception');
    return json(204);
  });
}

/** Whom a selector bounds sees and ends only those that they made. */
async function visible(client: PostureClient, principal: Principal): Promise<ExceptionRecord[]> {
  const exceptions = await allParts(async (last?: ExceptionRecord) => {
    const asked = { org: principal.org, after: last?.id ?? '' };
    const reply = await client.ask({ t: 'list_exceptions', ...asked }, 'exceptions');
    return { items: reply.exceptions, isCut: reply.isCut };
  });
  return exceptions
    .filter(({ by, scope, selector }) => maySee(principal, { operator: by.id, scope, selector }))
    .sort((a, b) => a.untilMs - b.untilMs || (a.id < b.id ? -1 : 1));
}

function exceptionJson(exception: ExceptionRecord, nowMs: number): ExceptionJson {
  const { id, pack, check, selector, scope, owner, reason, untilMs, by, createdAtMs } = exception;
  return {
    ...{ id, pack, check, selector, scope, owner, reason, until: isoTime(untilMs), inForce: nowMs < untilMs },
    ...{ createdBy: by, createdAt: isoTime(createdAtMs) },
  };
}
