import { operations, type ModeRequest } from '@muster/api-contract';
import { activeModeOverride, type Endpoint } from '@muster/directory';
import { AppError, joinSelectors } from '@muster/protocol';
import type { ModeOverrideRecord } from '@muster/records';
import { filterInTurns, type Clock } from '@muster/runtime';
import type { Principal } from '../http/principal.js';
import { given, isoTime } from '../http/json-members.js';
import { implement, json, type Operation } from '../http/operation.js';
import { selectionOf, type Selection, type SelectionParts } from './agent-selection.js';
import type { ModeOverrides } from './mode-overrides.js';
import type { SessionsByAgent } from './presence.js';

export interface ModeParts extends SelectionParts {
  readonly overrides: ModeOverrides;
  readonly clock: Clock;
}

const MAX_NAMED = 20;
/** Setting and withdrawing mode overrides of agents. */
export function modeOperation(parts: ModeParts): Operation {
  return implement(operations.orderMode, async ({ principal, body, note }) => {
    const details = detailsOf(body);
    note({ scope: joinSelectors(body.selector ?? '', principal.selector), details });
    const atMs = parts.clock.now();
    const { chosen, held } = await choose(parts, principal, body);
    const connected = connectedJson(chosen, held, atMs);
    const counts = { changed: 0, unchanged: 0, failed: 0 };
    let fault: AppError | undefined;
    for await (const result of parts.overrides.setAll(chosen, recordOf(body, principal.name, atMs))) {
      counts[result.kind] += 1;
      if (result.kind === 'failed') fault = result.error;
    }
    const counted = { matched: chosen.length, ...counts };
    note({ details: { ...details, ...counted } });
    // A failure only when every write failed. A partial success is answered with its counts.
    if (fault !== undefined && counts.failed === chosen.length) throw fault;
    return json(200, { ...counted, connected });
  });
}

function detailsOf({ selector, agentIds, mode, interval, for: forMs, reason }: ModeRequest): Record<string, unknown> {
  return {
    ...given('selector', selector),
    ...given('agentIds', agentIds?.slice(0, MAX_NAMED)),
    mode,
    ...given('intervalMs', interval),
    ...given('forMs', forMs),
    ...given('reason', reason),
  };
}

function recordOf(
  { mode, interval, for: forMs, reason = '' }: ModeRequest,
  by: string,
  atMs: number,
): ModeOverrideRecord {
  const untilMs = forMs === undefined ? undefined : atMs + forMs;
  return { mode, ...given('intervalMs', interval), ...given('untilMs', untilMs), reason, by, atMs };
}

/** The agents that the request names, within the bound of the principal. Throws `not_found` when a named agent is not among them. */
async function choose(
  parts: ModeParts,
  principal: Principal,
  { selector = '', agentIds }: ModeRequest,
): Promise<{ readonly chosen: Endpoint[] } & Pick<Selection, 'held'>> {
  const { directory } = parts;
  const { matches, held } = await selectionOf(parts, principal, { selector, needsSessions: true });
  const isEligible = (endpoint: Endpoint): boolean => endpoint.revoked === undefined && matches(endpoint);
  if (agentIds === undefined) {
    return { chosen: await filterInTurns(directory.endpoints(principal.org), isEligible), held };
  }
  const chosen: Endpoint[] = [];
  const unknown: string[] = [];
  for (const id of new Set(agentIds)) {
    const endpoint = directory.byId(principal.org, id);
    if (endpoint !== undefined && isEligible(endpoint)) chosen.push(endpoint);
    else unknown.push(id);
  }
  const [first] = unknown;
  if (first === undefined) return { chosen, held };
  const more = unknown.length > 1 ? `, nor ${unknown.length - 1} more of those named` : '';
  throw new AppError('not_found', `there is no agent ${first}${more}; nothing was ordered`, {
    details: { agentIds: unknown.slice(0, MAX_NAMED) },
  });
}

function connectedJson(chosen: readonly Endpoint[], held: SessionsByAgent | undefined, nowMs: number) {
  if (held === undefined) return { live: null, poll: null, offline: null };
  const modes = { live: 0, poll: 0 };
  let longestMs: number | undefined = 0;
  for (const { agentId, modeOverride } of chosen) {
    const mode = held.get(agentId)?.mode;
    if (mode !== undefined) modes[mode] += 1;
    if (mode !== 'poll') continue;
    const intervalMs = activeModeOverride(modeOverride, nowMs)?.intervalMs;
    longestMs = intervalMs === undefined || longestMs === undefined ? undefined : Math.max(longestMs, intervalMs);
  }
  const pollBy = modes.poll === 0 || longestMs === undefined ? undefined : isoTime(nowMs + longestMs);
  return { ...modes, offline: chosen.length - modes.live - modes.poll, ...given('pollBy', pollBy) };
}
