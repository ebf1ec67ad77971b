import type { Endpoint } from '@muster/directory';

/** A label of endpoints that the fleet is counted by, and the values that are told apart. */
export interface FleetLabel {
  readonly name: string;
  readonly values: ReadonlySet<string>;
}

/** Series of one histogram are many, and each value multiplies them. */
const MAX_LABELS = 4;
const MAX_VALUES = 20;
const TAKEN = new Set(['org', 'os', 'vital', 'le', 'job', 'instance', 'state']);
const REFUSED = /^(agent|agent_id|id|host|hostname|endpoint|query|query_id|sql|text|address|ip|user|quantile)$/;

/**
 * Reads `env=prod|staging,site=fra|ber`. An agent chooses its own labels, so that only values that are written here
 * become values of a metric: all others are `other`, and none is `none`.
 */
export function parseFleetLabels(
  text: string,
): { readonly ok: true; readonly labels: readonly FleetLabel[] } | { readonly ok: false; readonly fault: string } {
  const labels: FleetLabel[] = [];
  for (const part of text.split(',').map((one) => one.trim())) {
    if (part === '') continue;
    const match = /^([a-z][a-z0-9_]*)=([^=|]+(?:\|[^=|]+)*)$/.exec(part);
    if (match === null) return { ok: false, fault: `"${part}" is not like env=prod|staging` };
    const [name, values] = [match[1] as string, (match[2] as string).split('|').map((value) => value.trim())];
    if (TAKEN.has(name) || REFUSED.test(name)) return { ok: false, fault: `the name ${name} cannot be used` };
    if (labels.some((label) => label.name === name)) return { ok: false, fault: `${name} is named twice` };
    if (values.length > MAX_VALUES) return { ok: false, fault: `${name} has more than ${MAX_VALUES} values` };
    labels.push({ name, values: new Set(values) });
  }
  return labels.length > MAX_LABELS ? { ok: false, fault: `has more than ${MAX_LABELS} labels` } : { ok: true, labels };
}

export function fleetLabelValue(label: FleetLabel, endpoint: Pick<Endpoint, 'labels'>): string {
  const value = Object.hasOwn(endpoint.labels, label.name) ? endpoint.labels[label.name] : undefined;
  if (value === undefined || value === '') return 'none';
  return label.values.has(value) ? value : 'other';
}
