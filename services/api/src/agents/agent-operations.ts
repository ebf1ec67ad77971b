import { operations } from '@muster/api-contract';
import type { DirectoryWriter } from '@muster/directory';
import { writeFailure } from '@muster/service-base';
import { filterInTurns, type Clock } from '@muster/runtime';
import { decodeCursor, encodeCursor, position } from '../http/cursor.js';
import { implement, json, type Operation } from '../http/operation.js';
import { countAgents } from './agent-counts.js';
import { agentJson } from './agent-json.js';
import { findAgent, selectionOf, type SelectionParts } from './agent-selection.js';

export interface AgentParts extends SelectionParts {
  readonly writer: Pick<DirectoryWriter, 'revoke'>;
  readonly clock: Clock;
}

/** Listing, showing and revoking agents. */
export function agentOperations(parts: AgentParts): Operation[] {
  return [listOperation(parts), showOperation(parts), revokeOperation(parts)];
}

function listOperation(parts: AgentParts): Operation {
  return implement(operations.listAgents, async ({ principal, query }) => {
    const { selector, id: prefix = '', revoked, counts, limit } = query;
    const after = query.cursor === undefined ? 0 : decodeCursor('agents', query.cursor, [position])[0];
    const { matches, held } = await selectionOf(parts, principal, { selector, needsSessions: counts !== undefined });
    const all = await filterInTurns(
      parts.directory.endpoints(principal.org),
      (endpoint) =>
        endpoint.agentId.startsWith(prefix) &&
        (revoked === 'include' || (endpoint.revoked !== undefined) === (revoked === 'only')) &&
        matches(endpoint),
    );
    const rest = after === 0 ? all : all.filter(({ num }) => num > after);
    const page = rest.slice(0, limit);
    const known = await parts.presence.of(page.map(({ agentId }) => agentId));
    const last = page.at(-1);
    return json(200, {
      items: page.map((endpoint) => agentJson(endpoint, known, parts.clock.now())),
      ...(rest.length > limit && last !== undefined ? { nextCursor: encodeCursor('agents', [last.num]) } : {}),
      ...(counts === undefined ? {} : { counts: await countAgents(all, held, counts) }),
    });
  });
}

function showOperation(parts: AgentParts): Operation {
  return implement(operations.showAgent, async ({ principal, params }) => {
    const endpoint = await findAgent(parts, principal, params.id);
    return json(200, agentJson(endpoint, await parts.presence.of([endpoint.agentId]), parts.clock.now()));
  });
}

function revokeOperation(parts: AgentParts): Operation {
  return implement(operations.revokeAgent, async ({ principal, params, body, note }) => {
    note({ subject: params.id, details: { reason: body.reason } });
    const endpoint = await findAgent(parts, principal, params.id);
    const known = await parts.presence.of([endpoint.agentId]);
    if (endpoint.revoked !== undefined) return json(200, agentJson(endpoint, known, parts.clock.now()));
    const revoked = { by: principal.name, reason: body.reason, atMs: parts.clock.now() };
    const result = await parts.writer.revoke(endpoint.org, endpoint.agentId, revoked);
    if (result.kind === 'unavailable') {
      throw writeFailure('the revocation could not be kept; try again', result.cause);
    }
    return json(200, agentJson({ ...endpoint, revoked }, known, parts.clock.now()));
  });
}
