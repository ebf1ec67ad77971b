import type { AgentPageJson } from './agent-json.js';
import type { ApiClient } from '../environment/api-client.js';
import { wallTime } from '../terminal/time-text.js';

/** How the endpoints that an order is for are connected; null where nobody knows. */
export interface Reach {
  readonly live: number | null;
  readonly poll: number | null;
  readonly offline: number | null;
  /** When the last of those that poll has come, where that is known. */
  readonly pollBy?: string;
}

export type ModeTarget = { readonly selector: string } | { readonly agentIds: readonly string[] };

/** Ids that surely fit into one selector. */
const IDS_AT_ONCE = 100;

/** How many endpoints an order would be for, and how they are connected. */
export async function reachOf(client: ApiClient, target: ModeTarget): Promise<Reach & { readonly matched: number }> {
  const sum = { matched: 0, live: nullable(0), poll: nullable(0), offline: nullable(0) };
  for (const selector of selectorsOf(target)) {
    const { counts } = await client.json<AgentPageJson>('/v1/agents', { query: { selector, counts: '', limit: 1 } });
    if (counts === undefined) continue;
    sum.matched += counts.total;
    for (const name of ['live', 'poll', 'offline'] as const) {
      const [so, more] = [sum[name], counts[name]];
      sum[name] = so === null || more === null ? null : so + more;
    }
  }
  return sum;
}

const nullable = (value: number): number | null => value;

function selectorsOf(target: ModeTarget): string[] {
  if ('selector' in target) return [target.selector];
  const { agentIds } = target;
  return Array.from({ length: Math.ceil(agentIds.length / IDS_AT_ONCE) }, (_, i) => {
    const ids = agentIds.slice(i * IDS_AT_ONCE, (i + 1) * IDS_AT_ONCE);
    return `id in (${ids.join(',')})`;
  });
}

/** `4,800 at once (Live), 190 at their next poll (by 12:00:41), 10 when they return` */
export function reachText({ live, poll, offline, pollBy }: Reach, nowMs: number): string {
  if (live === null || poll === null || offline === null)
    return 'at once over Live, at their next poll, or when they return; nobody knows who is connected now';
  const by = pollBy === undefined ? '' : ` (by ${wallTime(pollBy, nowMs)})`;
  const parts = [
    ...(live > 0 ? [`${number(live)} at once (Live)`] : []),
    ...(poll > 0 ? [`${number(poll)} at ${poll === 1 ? 'its' : 'their'} next poll${by}`] : []),
    ...(offline > 0 ? [`${number(offline)} when ${offline === 1 ? 'it returns' : 'they return'}`] : []),
  ];
  return parts.join(', ');
}

const number = (value: number): string => value.toLocaleString('en-US');
