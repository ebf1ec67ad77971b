import type { ApiClient } from '@muster/api-client';
import type { ModeRequestedJson } from '@muster/api-contract';
import { wallTime } from '../terminal/time-text.js';
import { numberText } from '../terminal/listing.js';

/** How the endpoints of a request are connected; null where that is unknown. `pollBy`: when the last of them has polled. */
export type Reach = ModeRequestedJson['connected'];

export type ModeTarget = { readonly selector: string } | { readonly agentIds: readonly string[] };

/** This many ids always fit into one selector. */
const IDS_AT_ONCE = 100;

/** How many endpoints a request would concern, and how they are connected. */
export async function reachOf(client: ApiClient, target: ModeTarget): Promise<Reach & { readonly matched: number }> {
  const sum = { matched: 0, live: nullable(0), poll: nullable(0), offline: nullable(0) };
  for (const selector of selectorsOf(target)) {
    const { counts } = await client.call('GET /v1/agents', { query: { selector, counts: '', limit: 1 } });
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
    ...(live > 0 ? [`${numberText(live)} at once (Live)`] : []),
    ...(poll > 0 ? [`${numberText(poll)} at ${poll === 1 ? 'its' : 'their'} next poll${by}`] : []),
    ...(offline > 0 ? [`${numberText(offline)} when ${offline === 1 ? 'it returns' : 'they return'}`] : []),
  ];
  return parts.join(', ');
}
