import { endpointLabel, type Endpoint } from '@muster/directory';
import { visitInTurns } from '@muster/runtime';
import { MAX_LABEL_VALUES, type AgentCountsJson } from '@muster/api-contract';
import type { SessionsByAgent } from './presence.js';

/** Counts of a selection: by connection, and by the values of some labels. */
export async function countAgents(
  endpoints: readonly Endpoint[],
  held: SessionsByAgent | undefined,
  keys: readonly string[],
): Promise<AgentCountsJson> {
  const modes = { live: 0, poll: 0 };
  const byKey = new Map(keys.map((key) => [key, new Map<string, number>()]));
  await visitInTurns(endpoints, (endpoint) => {
    const mode = held?.get(endpoint.agentId)?.mode;
    if (mode !== undefined) modes[mode] += 1;
    const valueOf = endpointLabel(endpoint, mode);
    for (const [key, values] of byKey) {
      const value = valueOf(key);
      if (value !== undefined) values.set(value, (values.get(value) ?? 0) + 1);
    }
  });
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
  return Object.fromEntries(sorted.slice(0, MAX_LABEL_VALUES));
}
