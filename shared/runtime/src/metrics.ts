import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics, type Metric } from 'prom-client';

export type { Counter, Gauge, Histogram, Registry } from 'prom-client';

export interface MetricOptions<L extends string> {
  /** The complete name, so that a search finds it: `muster_<service>_<noun>_<unit>[_total]`. */
  readonly name: string;
  readonly help: string;
  /** Names of labels whose values come from a small closed set; never ids, hosts or query texts. */
  readonly labels?: readonly L[];
}

export interface LabelledTotal<L extends string> {
  readonly labels: Readonly<Record<L, string>>;
  readonly value: number;
}

/** How many values are in each bucket now, not in those below it too; the last number is of those above all bounds. */
export interface GaugeHistogramValue<L extends string> {
  readonly labels: Readonly<Record<L, string>>;
  readonly buckets: ArrayLike<number>;
  readonly count: number;
  readonly sum: number;
}

interface GaugeHistogramOptions<L extends string> extends MetricOptions<L> {
  readonly buckets: readonly number[];
  readonly collect: () => Iterable<GaugeHistogramValue<L>>;
}

interface CounterSource<L extends string> {
  readonly initial?: readonly Readonly<Record<L, string>>[];
  readonly total?: () => number;
  readonly totals?: () => Iterable<LabelledTotal<L>>;
}

/** Factories for the metrics of a service. Each capability creates its own metrics with them. */
export interface Metrics {
  /** The name of the service, such as `gateway`. */
  readonly service: string;
  readonly registry: Registry;
  /**
   * `initial` are label values that exist from the start, at 0: a rate does not see the event that creates a series, and an alert selects
   * nothing before it. `total` is read at each scrape, for totals that are counted elsewhere; `totals` is the same with labels.
   */
  counter<const L extends string = never>(options: MetricOptions<L> & CounterSource<L>): Counter<L>;
  /** `collect` is called at each scrape and sets the value. */
  gauge<const L extends string = never>(options: MetricOptions<L> & { collect?: (gauge: Gauge<L>) => void }): Gauge<L>;
  histogram<const L extends string = never>(options: MetricOptions<L> & { buckets: readonly number[] }): Histogram<L>;
  /**
   * How things are distributed at the moment of the scrape; `collect` tells. Written as a histogram, which the text
   * format of Prometheus has; its buckets go down too, so no `rate` of them.
   */
  gaugeHistogram<const L extends string = never>(options: GaugeHistogramOptions<L>): void;
}

/** Buckets for latencies that a person waits for, in seconds. */
export const LATENCY_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const;

// Gauges of prom-client whose names end in _total, a suffix of counters. The same gauges exist by type without the suffix.
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

// One time series per endpoint is too much for Prometheus, and query texts are confidential.
const FORBIDDEN_LABELS =
  /^(agent|agent_id|id|host|hostname|endpoint|query|query_id|sql|text|address|ip|user|le|quantile)$/;
const SCALED_UNIT =
  /_(ms|millis|milliseconds|micros|microseconds|nanoseconds|minutes|hours|kb|mb|kib|mib|kilobytes|megabytes|percent)(_|$)/;

/**
 * A registry with the metrics of process and Node, and factories that refuse names and labels against the rules. They throw
 * when the service starts.
 */
export function createMetrics(service: string): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const checked = <L extends string>(options: MetricOptions<L>, kind: MetricKind) => {
    const fault = metricFault(service, kind, options);
    if (fault !== undefined) throw new Error(`metric ${options.name}: ${fault}`);
    return { name: options.name, help: options.help, labelNames: options.labels ?? [], registers: [registry] };
  };
  return {
    service,
    registry,
    counter: <L extends string>(options: MetricOptions<L> & CounterSource<L>) => {
      const { total, totals, initial = [] } = options;
      const counter: Counter<L> = new Counter({
        ...checked(options, 'counter'),
        ...(total === undefined && totals === undefined
          ? {}
          : {
              collect: () => {
                counter.reset();
                if (total !== undefined) counter.inc(total());
                for (const { labels, value } of totals?.() ?? []) counter.inc(labels, value);
              },
            }),
      });
      for (const labels of initial) counter.inc(labels, 0);
      return counter;
    },
    gauge: <L extends string>(options: MetricOptions<L> & { collect?: (gauge: Gauge<L>) => void }) => {
      const { collect } = options;
      const gauge: Gauge<L> = new Gauge({
        ...checked(options, 'gauge'),
        ...(collect === undefined ? {} : { collect: () => collect(gauge) }),
      });
      return gauge;
    },
    histogram: (options) => new Histogram({ ...checked(options, 'histogram'), buckets: [...options.buckets] }),
    gaugeHistogram: (options) => {
      checked(options, 'histogram');
      registry.registerMetric(new GaugeHistogram(options) as unknown as Metric);
    },
  };
}

/** What the registry needs of a metric. */
class GaugeHistogram<L extends string> {
  readonly name: string;
  readonly #options: GaugeHistogramOptions<L>;

  constructor(options: GaugeHistogramOptions<L>) {
    this.name = options.name;
    this.#options = options;
  }

  /** Nothing is kept. */
  reset(): void {}

  get(): Promise<unknown> {
    const { name, help, buckets, collect } = this.#options;
    const values: unknown[] = [];
    for (const { labels, buckets: counts, count, sum } of collect()) {
      let below = 0;
      for (let i = 0; i <= buckets.length; i += 1) {
        below += counts[i] ?? 0;
        values.push({ metricName: `${name}_bucket`, labels: { le: buckets[i] ?? '+Inf', ...labels }, value: below });
      }
      values.push({ metricName: `${name}_sum`, labels, value: sum });
      values.push({ metricName: `${name}_count`, labels, value: count });
    }
    return Promise.resolve({ name, help, type: 'histogram', values, aggregator: 'sum' });
  }
}

type MetricKind = 'counter' | 'gauge' | 'histogram';

/** The fault of a metric's name, help or labels, by the naming practices of Prometheus and our rules. */
function metricFault(
  service: string,
  kind: MetricKind,
  { name, help, labels }: MetricOptions<string>,
): string | undefined {
  const prefix = `muster_${service.replaceAll('-', '_')}_`;
  if (!name.startsWith(prefix)) return `must start with ${prefix}`;
  if (!/^[a-z0-9]+(_[a-z0-9]+)*$/.test(name) || name.length === prefix.length)
    return 'must be lower-case words with _ between';
  if (name.endsWith('_total') !== (kind === 'counter')) return 'must end in _total if it is a counter, and only then';
  if (/_(bucket|count|sum|info)$/.test(name)) return 'must not end in _bucket, _count, _sum or _info';
  if (SCALED_UNIT.test(name)) return 'must use base units: seconds, bytes, ratio';
  if (kind === 'histogram' && name.slice(prefix.length).split('_').length < 2) return 'must end in a unit';
  if (!/\S/.test(help)) return 'must have a help text';
  const forbidden = labels?.find((label) => FORBIDDEN_LABELS.test(label) || !/^[a-z][a-z0-9_]*$/.test(label));
  return forbidden === undefined ? undefined : `must not have the label ${forbidden}`;
}
