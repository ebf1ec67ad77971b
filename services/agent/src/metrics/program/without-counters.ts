import { GROUP_METRICS, GROUPS, groupOffset } from '@muster/host-metrics';
import type { Reading } from '../contract/host-reader.js';
import type { Measurements } from '../contract/measurements.js';

/** The values of a reading without the counters of the groups that are in this set. */
export function withoutCounters({ shape, values }: Reading, { groups }: Measurements): Float64Array {
  const rest = values.slice();
  for (const group of GROUPS.filter((each) => groups[each] !== undefined)) {
    const metrics = GROUP_METRICS[group];
    for (let i = 0; i < shape.names[group].length; i += 1) {
      for (const [number, { kind }] of metrics.entries()) {
        if (kind === 'counter') rest[groupOffset(shape, group, i, number)] = Number.NaN;
      }
    }
  }
  return rest;
}
