import { operations } from '@muster/api-contract';
import type { Directory } from '@muster/directory';
import { decodeDelta, decodeKeyframe, GROUP_ATTRIBUTE, sampleValues } from '@muster/host-metrics';
import type { EndpointHealth, LatestMetrics } from '@muster/messages';
import { visitInTurns } from '@muster/runtime';
import { findAgent, selectionOf, type SelectionParts } from '../agents/agent-selection.js';
import { decodeCursor, encodeCursor, position } from '../http/cursor.js';
import { given } from '../http/json-members.js';
import { implement, json, type Operation } from '../http/operation.js';
import type { Principal } from '../http/principal.js';
import { mergeGroups } from './fleet-groups.js';
import { failingRulesJson, timeText } from './metrics-json.js';
import type { TelemetryClient } from '../upstream/telemetry-client.js';

export interface TelemetryParts extends SelectionParts {
  readonly directory: Pick<Directory, 'byId' | 'byNum' | 'endpoints'>;
  readonly telemetry: Pick<TelemetryClient, 'latest' | 'gather'>;
}

/** What telemetry services know of endpoints: the latest sample, who has the most, who is not well. */
export function telemetryOperations(parts: TelemetryParts): Operation[] {
  return [showOperation(parts), fleetOperation(parts), topOperation(parts), healthOperation(parts)];
}

function showOperation(parts: TelemetryParts): Operation {
  return implement(operations.showAgentMetrics, async ({ principal, params }) => {
    const { org, agentId } = await findAgent(parts, principal, params.id);
    const { sample, health } = await parts.telemetry.latest(org, agentId);
    return json(200, {
      agentId,
      ...given('sample', sample === undefined ? undefined : sampleJson(sample)),
      ...given('health', health === undefined ? undefined : healthJson(health)),
    });
  });
}

function fleetOperation({ telemetry }: TelemetryParts): Operation {
  return implement(operations.showFleetMetrics, async ({ principal, query: { selector, by } }) => {
    const request = { t: 'fleet_metrics', ...scopeOf(principal, selector), ...given('by', by) } as const;
    const { replies, partitions } = await telemetry.gather(request);
    return json(200, { ...given('by', by), groups: mergeGroups(replies.map(({ groups }) => groups)), partitions });
  });
}

function topOperation({ telemetry, directory }: TelemetryParts): Operation {
  return implement(operations.topAgents, async ({ principal, query }) => {
    const { by, limit } = query;
    const { replies, partitions } = await telemetry.gather({
      t: 'fleet_top',
      ...{ ...scopeOf(principal, query.selector), by, limit },
    });
    const rows = replies
      .flatMap((reply) => reply.rows)
      .toSorted((a, b) => (b.vitals[by] ?? 0) - (a.vitals[by] ?? 0) || a.num - b.num)
      .slice(0, limit);
    const items = rows.map(({ num, agentId, vitals, ageMs, health }) => ({
      ...{ agentId, host: hostOf(directory, num), ageMs: Math.round(ageMs), vitals },
      ...given('health', health === undefined ? undefined : healthJson(health)),
    }));
    return json(200, { by, endpoints: replies.reduce((sum, reply) => sum + reply.endpoints, 0), items, partitions });
  });
}

function healthOperation(parts: TelemetryParts): Operation {
  const { telemetry, directory } = parts;
  return implement(operations.listHealth, async ({ principal, query }) => {
    const { state, limit } = query;
    const [after] = query.cursor === undefined ? [0] : decodeCursor('health', query.cursor, [position]);
    const { replies, partitions } = await telemetry.gather({
      t: 'health_list',
      ...{ ...scopeOf(principal, query.selector), limit, after: after ?? 0 },
      ...given('states', state === undefined ? undefined : [state]),
    });
    const all = replies.flatMap((reply) => reply.rows).toSorted((a, b) => a.num - b.num);
    const page = all.slice(0, limit);
    const last = page.at(-1);
    const hasMore = all.length > limit || replies.some(({ isCut }) => isCut);
    const counts = { ok: 0, warning: 0, critical: 0 };
    for (const reply of replies) {
      for (const each of ['ok', 'warning', 'critical'] as const) counts[each] += reply.counts[each];
    }
    const known = counts.ok + counts.warning + counts.critical;
    const unknown =
      partitions.missing.length > 0
        ? undefined
        : Math.max(0, (await countOf(parts, principal, query.selector)) - known);
    return json(200, {
      counts,
      ...given('unknown', unknown),
      items: page.map(({ num, agentId, health }) => ({
        agentId,
        host: hostOf(directory, num),
        health: healthJson(health),
      })),
      ...given('nextCursor', hasMore && last !== undefined ? encodeCursor('health', [last.num]) : undefined),
      partitions,
    });
  });
}

/** How many endpoints a selector selects, whatever is known of them. */
async function countOf(parts: TelemetryParts, principal: Principal, selector: string): Promise<number> {
  const { matches } = await selectionOf(parts, principal, { selector });
  let count = 0;
  await visitInTurns(parts.directory.endpoints(principal.org), (endpoint) => {
    if (endpoint.revoked === undefined && matches(endpoint)) count += 1;
  });
  return count;
}

function scopeOf({ org, selector: bound }: Principal, selector: string) {
  return { org, selector, ...given('bound', bound) };
}

function hostOf(directory: Pick<Directory, 'byNum'>, num: number): string {
  return directory.byNum(num)?.facts.host ?? '';
}

function healthJson({ state, sinceMs, rules }: EndpointHealth) {
  return { state, since: timeText(sinceMs), rules: failingRulesJson(rules, sinceMs) };
}

function sampleJson({ keyframe, delta, receivedMs, ageMs, vitals }: NonNullable<LatestMetrics['sample']>) {
  const base = decodeKeyframe(keyframe);
  const sample = delta === undefined ? base : decodeDelta(delta, base);
  const values = [...sampleValues(sample)].map(
    ({ metric: { name, attributes, unit, kind }, group, instance, value }) =>
      group === undefined || instance === undefined
        ? { name, attributes, unit, kind, value }
        : {
            name,
            attributes: { ...attributes, [GROUP_ATTRIBUTE[group]]: instance },
            unit,
            kind,
            group,
            instance,
            value,
          },
  );
  const [at, receivedAt] = [timeText(sample.atMs), timeText(receivedMs)];
  return { at, receivedAt, ageMs: Math.round(ageMs), vitals, values };
}
