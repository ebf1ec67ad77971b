import { operations, type LabelListJson } from '@muster/api-contract';
import { endpointLabel, type Endpoint } from '@muster/directory';
import { filterInTurns, visitInTurns } from '@muster/runtime';
import { implement, json, type Operation } from '../http/operation.js';
import { selectionOf, type SelectionParts } from './agent-selection.js';
import type { SessionsByAgent } from './presence.js';

/** Of each label the most frequent values. */
const VALUES = 100;

/** Of built-in labels those by which endpoints are grouped. */
const BUILT_IN = ['os', 'arch', 'version', 'mode'] as const;

/** The labels of endpoints and their values, counted. */
export function listLabelsOperation(parts: SelectionParts): Operation {
  return implement(operations.listLabels, async ({ principal, query: { selector } }) => {
    const { matches, held } = await selectionOf(parts, principal, { selector, needsSessions: true });
    const endpoints = await filterInTurns(
      parts.directory.endpoints(principal.org),
      (endpoint) => endpoint.revoked === undefined && matches(endpoint),
    );
    return json(200, { endpoints: endpoints.length, items: await countLabels(endpoints, held) });
  });
}

async function countLabels(
  endpoints: readonly Endpoint[],
  held: SessionsByAgent | undefined,
): Promise<LabelListJson['items']> {
  const byKey = new Map<string, Map<string, number>>();
  const add = (key: string, value: string | undefined): void => {
    if (value === undefined) return;
    const values = byKey.get(key) ?? new Map<string, number>();
    byKey.set(key, values.set(value, (values.get(value) ?? 0) + 1));
  };
  await visitInTurns(endpoints, (endpoint) => {
    const valueOf = endpointLabel(endpoint, held && (held.get(endpoint.agentId)?.mode ?? 'offline'));
    for (const key of BUILT_IN) add(key, valueOf(key));
    for (const [key, value] of Object.entries(endpoint.labels)) add(key, value);
  });
  return [...byKey]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, values]) => ({
      key,
      endpoints: [...values.values()].reduce((sum, count) => sum + count, 0),
      distinct: values.size,
      values: [...values]
        .toSorted((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
        .slice(0, VALUES)
        .map(([value, count]) => ({ value, endpoints: count })),
    }));
}
