import type { Endpoint } from '@muster/directory';
import type { EndpointTable } from '../samples/endpoint-table.js';
import { VITALS, type Vital } from '../samples/vitals.js';
import { fleetLabelValue, type FleetLabel } from './fleet-labels.js';

const SHARES = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98, 1];
/** Of the vitals that are counted as they are now. */
export const FLEET_BUCKETS = {
  cpu: SHARES,
  memory: SHARES,
  disk: SHARES,
  load: [0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20],
  clock: [-3_600, -60, -10, -5, -1, -0.5, 0, 0.5, 1, 5, 10, 60, 3_600],
} as const satisfies Partial<Record<Vital, readonly number[]>>;
export type CountedVital = keyof typeof FLEET_BUCKETS;
export const COUNTED_VITALS = Object.keys(FLEET_BUCKETS) as CountedVital[];

/** Where each of them is among all vitals. */
const POSITIONS = COUNTED_VITALS.map((vital) => VITALS.indexOf(vital));

/** The distribution of one vital in one group. */
export interface VitalCounts {
  /** How many endpoints are in each bucket (not those below it too); one more than there are bounds. */
  readonly buckets: Uint32Array;
  count: number;
  sum: number;
}

/** Endpoints with equal labels. */
export interface FleetGroup {
  readonly labels: Readonly<Record<string, string>>;
  readonly vitals: Readonly<Record<CountedVital, VitalCounts>>;
  endpoints: number;
}

/** Groups beyond these count together, for deployments with very many organisations. */
const MAX_GROUPS = 2_000;
const OTHER = 'other';

export function emptyCounts(): Record<CountedVital, VitalCounts> {
  const entries = COUNTED_VITALS.map((vital) => [
    vital,
    { buckets: new Uint32Array(FLEET_BUCKETS[vital].length + 1), count: 0, sum: 0 },
  ]);
  return Object.fromEntries(entries) as Record<CountedVital, VitalCounts>;
}

/** Adds a value, or takes it out again with `by` −1. An unknown value counts nowhere. */
export function countVital(
  counts: Record<CountedVital, VitalCounts>,
  vital: CountedVital,
  value: number,
  by: 1 | -1,
): void {
  if (Number.isNaN(value)) return;
  const one = counts[vital];
  const bounds: readonly number[] = FLEET_BUCKETS[vital];
  let bucket = 0;
  while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket += 1;
  (one.buckets[bucket] as number) += by;
  one.count += by;
  // What rounding leaves does not stay.
  one.sum = one.count === 0 ? 0 : one.sum + by * value;
}

/**
 * How the vitals of all endpoints are distributed now, by organisation, operating system and configured labels. Kept up to date as samples
 * replace each other, so that a scrape only reads.
 */
export class FleetHistograms {
  readonly #table: EndpointTable;
  readonly #labels: readonly FleetLabel[];
  readonly #groups: FleetGroup[] = [];
  readonly #ids = new Map<string, number>();
  readonly #endpointOf: (num: number) => Endpoint | undefined;

  constructor(options: {
    readonly table: EndpointTable;
    readonly labels: readonly FleetLabel[];
    readonly endpointOf: (num: number) => Endpoint | undefined;
  }) {
    this.#table = options.table;
    this.#labels = options.labels;
    this.#endpointOf = options.endpointOf;
  }

  /** Those with endpoints. */
  *groups(): Generator<FleetGroup> {
    for (const group of this.#groups) if (group.endpoints > 0) yield group;
  }

  /** The endpoint in this slot is new, or its labels are: finds its group. It must not be counted now. */
  begin(slot: number): void {
    const table = this.#table;
    table.groups[slot] = this.#groupOf(this.#endpointOf(table.nums[slot] as number));
  }

  join(slot: number): void {
    this.#count(slot, 1);
  }

  /** With the vitals that it joined with. */
  leave(slot: number): void {
    this.#count(slot, -1);
  }

  #count(slot: number, by: 1 | -1): void {
    const group = this.#groups[this.#table.groups[slot] as number] as FleetGroup;
    group.endpoints += by;
    const first = slot * VITALS.length;
    for (let i = 0; i < COUNTED_VITALS.length; i += 1) {
      const value = this.#table.vitals[first + (POSITIONS[i] as number)] as number;
      countVital(group.vitals, COUNTED_VITALS[i] as CountedVital, value, by);
    }
  }

  #groupOf(endpoint: Endpoint | undefined): number {
    let key = `${endpoint?.org}/${endpoint?.facts.os}`;
    for (const label of this.#labels) key += `/${endpoint === undefined ? OTHER : fleetLabelValue(label, endpoint)}`;
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const isFull = this.#groups.length >= MAX_GROUPS || endpoint === undefined;
    if (isFull && this.#ids.has(OTHER)) return this.#ids.get(OTHER) as number;
    const others = this.#labels.map(({ name }) => [name, OTHER] as const);
    const own = this.#labels.map((label) => [label.name, endpoint && fleetLabelValue(label, endpoint)] as const);
    const labels = isFull
      ? { org: OTHER, os: OTHER, ...Object.fromEntries(others) }
      : { org: endpoint.org, os: endpoint.facts.os, ...Object.fromEntries(own) };
    this.#groups.push({ labels: labels as Record<string, string>, vitals: emptyCounts(), endpoints: 0 });
    this.#ids.set(isFull ? OTHER : key, this.#groups.length - 1);
    return this.#groups.length - 1;
  }
}
