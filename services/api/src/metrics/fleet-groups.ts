import type { FleetDistributionJson } from '@muster/api-contract';
import type { Distribution, FleetMetrics } from '@muster/messages';
import { AppError } from '@muster/protocol';

type Group = FleetMetrics['groups'][number];
type Vital = 'cpu' | 'memory' | 'disk' | 'load' | 'clock';

const QUANTILES = { p50: 0.5, p90: 0.9, p95: 0.95, p99: 0.99 } as const;

/**
 * The groups of several instances, each endpoint of which is in one of them, added up: exact, because their buckets are
 * the same. The largest first.
 */
export function mergeGroups(all: readonly (readonly Group[])[]) {
  const merged = new Map<string, { endpoints: number; readonly vitals: Map<string, Distribution> }>();
  for (const { value, endpoints, vitals } of all.flat()) {
    const group = merged.get(value) ?? { endpoints: 0, vitals: new Map<string, Distribution>() };
    merged.set(value, group);
    group.endpoints += endpoints;
    for (const [vital, distribution] of Object.entries(vitals)) {
      const known = group.vitals.get(vital);
      group.vitals.set(vital, known === undefined ? distribution : sumOf(known, distribution));
    }
  }
  return [...merged]
    .toSorted(([a, { endpoints: most }], [b, { endpoints: other }]) => other - most || (a < b ? -1 : 1))
    .map(([value, { endpoints, vitals }]) => ({
      ...{ value, endpoints },
      vitals: Object.fromEntries(
        [...vitals].map(([vital, distribution]) => [vital, distributionJson(distribution)]),
      ) as Partial<Record<Vital, FleetDistributionJson>>,
    }));
}

/** Services of two versions may count in other buckets while one is replaced by the other. @throws AppError `no_telemetry_service`. */
function sumOf(one: Distribution, other: Distribution): Distribution {
  if (one.bounds.length !== other.bounds.length || one.bounds.some((bound, i) => bound !== other.bounds[i]))
    throw new AppError('no_telemetry_service', 'telemetry services count in different buckets; try again', {
      details: { retryAfterMs: 5_000 },
    });
  return {
    bounds: one.bounds,
    counts: one.counts.map((count, i) => count + (other.counts[i] ?? 0)),
    sum: one.sum + other.sum,
  };
}

function distributionJson({ bounds, counts, sum }: Distribution): FleetDistributionJson {
  const total = counts.reduce((all, count) => all + count, 0);
  const quantiles = {
    p50: quantile(QUANTILES.p50, { bounds, counts, total }),
    p90: quantile(QUANTILES.p90, { bounds, counts, total }),
    p95: quantile(QUANTILES.p95, { bounds, counts, total }),
    p99: quantile(QUANTILES.p99, { bounds, counts, total }),
  };
  return { bounds, counts, sum, quantiles: total === 0 ? null : quantiles };
}

interface Counted extends Pick<Distribution, 'bounds' | 'counts'> {
  readonly total: number;
}

/**
 * As `histogram_quantile` of Prometheus: on a straight line within the bucket; above the last bound that bound, below
 * the first one that one, or from 0 where it is positive.
 */
function quantile(share: number, { bounds, counts, total }: Counted): number {
  const rank = share * total;
  let below = 0;
  for (const [i, bound] of bounds.entries()) {
    const count = counts[i] ?? 0;
    if (below + count >= rank && count > 0) {
      const first = bound > 0 ? 0 : bound;
      const from = i === 0 ? first : (bounds[i - 1] ?? 0);
      return from + ((bound - from) * (rank - below)) / count;
    }
    below += count;
  }
  return bounds.at(-1) ?? 0;
}
