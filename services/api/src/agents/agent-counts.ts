import { endpointLabel, type Endpoint } from '@muster/directory';
import { z } from 'zod';
import { count } from '../http/schemas.js';
import type { Held } from './presence.js';

// More values than a person looks at, fewer than a label that names each machine has.
const MAX_VALUES = 1_000;

export const countsParameter = z
  .string()
  .max(1_000)
  .transform((text) => text.split(',').filter((key) => key !== ''))
  .pipe(z.array(z.string()).max(8))
  .meta({
    description:
      'Labels between commas, at most 8, to count the selected agents by: `os,env`. Empty for the totals alone.',
  });

export const countsSchema = z
  .object({
    total: count,
    live: count.nullable().meta({ description: 'Connected by WebSocket; null when nobody knows.' }),
    poll: count.nullable(),
    offline: count.nullable(),
    labels: z.record(z.string(), z.record(z.string(), count)).meta({
      description: `By label and value; agents without the label are not in it. At most ${MAX_VALUES} values each, the most frequent.`,
    }),
  })
  .meta({ id: 'AgentCounts' });

/** Totals of a selection, by connection and by the values of some labels. */
export function countAgents(endpoints: readonly Endpoint[], held: Held | undefined, keys: readonly string[]) {
  const modes = { live: 0, poll: 0 };
  const byKey = new Map(keys.map((key) => [key, new Map<string, number>()]));
  for (const endpoint of endpoints) {
    const mode = held?.get(endpoint.agentId)?.mode;
    if (mode !== undefined) modes[mode] += 1;
    const valueOf = endpointLabel(endpoint, mode);
    for (const [key, values] of byKey) {
      const value = valueOf(key);
      if (value !== undefined) values.set(value, (values.get(value) ?? 0) + 1);
    }
  }
  const total = endpoints.length;
  const known = held !== undefined;
  return {
    total,
    live: known ? modes.live : null,
    poll: known ? modes.poll : null,
    offline: known ? total - modes.live - modes.poll : null,
    labels: Object.fromEntries([...byKey].map(([key, values]) => [key, mostFrequent(values)])),
  };
}

function mostFrequent(values: ReadonlyMap<string, number>): Record<string, number> {
  const sorted = [...values].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1));
  return Object.fromEntries(sorted.slice(0, MAX_VALUES));
}
