import type { ApiClient } from '@muster/api-client';
import type { LabelListJson } from '@muster/api-contract';
import { parseSelector, type Requirement } from '@muster/protocol';
import { nearest } from '../terminal/nearest.js';

type Labels = LabelListJson['items'];

/**
 * Which part of a selector nobody has, with what was probably meant. Undefined when that is not known: the selector
 * does not parse, is empty, or the server does not answer.
 */
export async function whyNobody(client: ApiClient, selector: string): Promise<string | undefined> {
  const parsed = parseSelector(selector);
  if (!parsed.ok || parsed.selector.length === 0) return undefined;
  try {
    const { items } = await client.call('GET /v1/labels');
    for (const requirement of parsed.selector) {
      const fault = await faultOf(client, requirement, items);
      if (fault !== undefined) return fault;
    }
    return parsed.selector.length > 1 ? 'Each part has endpoints, but none has them all.' : undefined;
  } catch {
    return undefined;
  }
}

async function faultOf(client: ApiClient, requirement: Requirement, labels: Labels): Promise<string | undefined> {
  const { kind, key } = requirement;
  if (kind === 'absent' || kind === 'notin' || key === 'health' || key === 'id') return undefined;
  if (key === 'host') return kind === 'in' ? hostFault(client, requirement.values) : undefined;
  const label = labels.find((one) => one.key === key);
  if (label === undefined) {
    const meant = nearest(key, [...labels.map((one) => one.key), 'host', 'id', 'health']);
    return `No endpoint has the label ${key}${meant === undefined ? '; `muster labels` lists them' : `; did you mean ${meant}?`}`;
  }
  if (kind !== 'in' || label.distinct > label.values.length) return undefined;
  const known = label.values.map(({ value }) => value);
  if (requirement.values.some((value) => value.includes('*') || known.includes(value))) return undefined;
  const [value = ''] = requirement.values;
  const meant = nearest(value, known);
  const rest = meant === undefined ? `; there are ${known.slice(0, 5).join(', ')}` : `; did you mean ${meant}?`;
  return `No endpoint has ${key}=${requirement.values.join(` or ${key}=`)}${rest}`;
}

/** How many names are looked at for one that is similar. */
const COMPARED = 1_000;

async function hostFault(client: ApiClient, values: readonly string[]): Promise<string | undefined> {
  for (const host of values) {
    const { items } = await client.call('GET /v1/agents', { query: { selector: `host=${host}`, limit: 1 } });
    if (items.length > 0) return undefined;
  }
  const [host = ''] = values;
  const { items } = await client.call('GET /v1/agents', { query: { limit: COMPARED } });
  const meant = host.includes('*') ? undefined : nearest(host, new Set(items.map((one) => one.host)));
  return `No endpoint is called ${values.join(' or ')}${meant === undefined ? '' : `; did you mean ${meant}?`}`;
}
