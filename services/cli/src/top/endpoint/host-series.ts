import type { HostSeriesJson } from '@muster/api-contract';
import { GROUP_ATTRIBUTE, type Group, type HostMetric } from '@muster/host-metrics';

type Attributes = HostMetric['attributes'];

/** Where in the values of a sample each series is, as the last `series` event said. */
export class HostSeries {
  readonly #positions = new Map<string, number>();
  readonly #instances = new Map<Group, Set<string>>();

  constructor(series: readonly HostSeriesJson[]) {
    for (const [position, { name, attributes, group, instance }] of series.entries()) {
      if (group === undefined || instance === undefined) this.#positions.set(seriesKey(name, attributes), position);
      else {
        const own = Object.fromEntries(Object.entries(attributes).filter(([key]) => key !== GROUP_ATTRIBUTE[group]));
        this.#positions.set(instanceKey(group, instance, seriesKey(name, own)), position);
        const names = this.#instances.get(group) ?? new Set();
        this.#instances.set(group, names.add(instance));
      }
    }
  }

  /** The names of the cores, disks … that the endpoint has. */
  instances(group: Group): readonly string[] {
    return [...(this.#instances.get(group) ?? [])];
  }

  /** By the key of a series. Undefined when the endpoint does not have it. */
  host(key: SeriesKey): number | undefined {
    return this.#positions.get(key);
  }

  ofInstance(group: Group, instance: string, key: SeriesKey): number | undefined {
    return this.#positions.get(instanceKey(group, instance, key));
  }
}

/** A name and its attributes, without the one that names an instance. */
export type SeriesKey = string;

/** Names and attributes come from the catalogue; only instances are what an endpoint says, so they are last. */
export function seriesKey(name: string, attributes: Attributes = {}): SeriesKey {
  const entries = Object.entries(attributes);
  if (entries.length > 1) entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.reduce((key, [attribute, value]) => `${key} ${attribute}=${value}`, name);
}

function instanceKey(group: Group, instance: string, key: SeriesKey): string {
  return `${group} ${key} ${instance}`;
}
