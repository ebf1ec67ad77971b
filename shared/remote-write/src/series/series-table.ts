import type { Clock } from '@muster/runtime/program';
import { cleanLabelValue } from './clean-value.js';
import type { DropReason } from './drop-reason.js';
import type { LabelPolicy } from './label-policy.js';
import type { MetricDefinition } from './metric-definition.js';
import { LabelSet, SeriesShape, type Series } from './series.js';

/** One value of one metric. */
export interface Sample {
  readonly name: string;
  /** Values of the metric's own labels. Their names are those of the definition, the values may be anything. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
  /** One of very many of its kind, such as the time of a single processor: it leaves room for the other series of its endpoint. */
  readonly isDetail?: boolean;
}

/** What one endpoint measured at one moment. */
export interface EndpointSamples {
  /** Tells endpoints apart, such as organisation and agent id; not written. */
  readonly endpoint: string;
  /** Labels of the endpoint; the label policy says which are written. The same object again is not looked at again. */
  readonly labels: Readonly<Record<string, unknown>>;
  /** Milliseconds since 1970, by the clock of the service and not by that of the endpoint. */
  readonly timestampMs: number;
  readonly samples: readonly Sample[];
}

export interface SeriesTableOptions {
  readonly definitions: ReadonlyMap<string, MetricDefinition>;
  readonly labels: LabelPolicy;
  readonly clock: Clock;
  readonly maxSeries: number;
  readonly maxSeriesPerEndpoint: number;
  readonly maxSampleAgeMs: number;
  /** A series without a sample for this long ends. */
  readonly staleAfterMs: number;
  /** Takes a sample for the queue of its endpoint; NaN is the stale marker. */
  readonly push: (endpointHash: number, series: Series, timeMs: number, value: number) => void;
  readonly drop: (reason: DropReason, samples: number) => void;
}

interface Endpoint {
  readonly hash: number;
  readonly series: Map<SeriesShape, Series>;
  raw: Readonly<Record<string, unknown>>;
  labels: LabelSet;
  labelsSinceMs: number;
}

const AHEAD_MS = 60_000;
/** Details begin no series where an endpoint has this share of what it may have. */
const DETAIL_SHARE = 0.75;
/** Sweeps in `staleAfterMs`. */
const SWEEPS = 5;
/** An endpoint whose labels change ever again would begin ever new series. */
const RELABEL_EVERY_MS = 5 * 60_000;

/**
 * Which series there are. It gives each sample its series, keeps each series in the sequence of time, bounds how many
 * there are, and ends those that endpoints stopped sending:
 *
 *     (none) ── sample ──▶ active ── no sample for `staleAfterMs`, `end`, other labels ──▶ ended ── `maxSampleAgeMs` ──▶ (none)
 *                             ▲─────────────────────── later sample ───────────────────────┘
 *
 * An ended series is remembered for as long as a sample of it may still come: one that is not later than its marker
 * would have the store refuse a whole request.
 */
export class SeriesTable {
  readonly #options: SeriesTableOptions;
  readonly #endpoints = new Map<string, Endpoint>();
  readonly #shapes = new Map<string, SeriesShape>();
  readonly #forgetSweeps: number;
  #series = 0;
  #sweeps = 0;

  constructor(options: SeriesTableOptions) {
    this.#options = options;
    this.#forgetSweeps = Math.ceil((options.maxSampleAgeMs + AHEAD_MS) / this.sweepEveryMs) + 1;
  }

  /** Call {@link sweep} this often. */
  get sweepEveryMs(): number {
    return Math.max(1, Math.floor(this.#options.staleAfterMs / SWEEPS));
  }

  /** How many series are kept, ended ones included. */
  get size(): number {
    return this.#series;
  }

  append({ endpoint: id, labels, timestampMs, samples }: EndpointSamples): void {
    const { clock, drop, maxSampleAgeMs, push } = this.#options;
    const timeMs = Math.floor(timestampMs);
    const aheadMs = timeMs - clock.now();
    if (!(aheadMs <= AHEAD_MS)) return drop('in_future', samples.length);
    if (aheadMs < -maxSampleAgeMs || timeMs < 0) return drop('too_old', samples.length);
    const endpoint = this.#endpointOf(id, labels);
    for (const sample of samples) {
      const series = Number.isFinite(sample.value) ? this.#seriesOf(endpoint, sample) : 'not_finite';
      if (typeof series === 'string') drop(series, 1);
      else if (timeMs <= series.lastMs) drop('out_of_order', 1);
      else {
        series.lastMs = timeMs;
        series.seenSweep = this.#sweeps;
        series.active = true;
        push(endpoint.hash, series, timeMs, sample.value);
      }
    }
    if (endpoint.series.size === 0) this.#endpoints.delete(id);
  }

  /** Ends all series of an endpoint that is gone: each gets its stale marker, a millisecond after its last value. */
  end(id: string): void {
    const endpoint = this.#endpoints.get(id);
    for (const series of endpoint?.series.values() ?? []) this.#endSeries(endpoint, series);
  }

  /** Forgets an endpoint that another instance writes from now on; its series go on there. */
  release(id: string): void {
    const endpoint = this.#endpoints.get(id);
    for (const series of endpoint?.series.values() ?? []) this.#forget(endpoint, series);
    this.#endpoints.delete(id);
  }

  /** Ends what was not written for `staleAfterMs`, and forgets what ended long ago. */
  sweep(): void {
    this.#sweeps += 1;
    for (const [id, endpoint] of this.#endpoints) {
      for (const series of endpoint.series.values()) {
        const age = this.#sweeps - series.seenSweep;
        if (series.active && age > SWEEPS) this.#endSeries(endpoint, series);
        if (!series.active && age > this.#forgetSweeps) this.#forget(endpoint, series);
      }
      if (endpoint.series.size === 0) this.#endpoints.delete(id);
    }
  }

  #endpointOf(id: string, raw: Readonly<Record<string, unknown>>): Endpoint {
    const known = this.#endpoints.get(id);
    if (known === undefined) {
      const labels = new LabelSet(this.#options.labels.apply(raw));
      const added = {
        hash: hashOf(id),
        series: new Map(),
        raw,
        labels,
        labelsSinceMs: this.#options.clock.monotonic(),
      };
      this.#endpoints.set(id, added);
      return added;
    }
    if (known.raw !== raw) this.#relabel(known, raw);
    return known;
  }

  /** With other labels they are other series: the old ones end. */
  #relabel(endpoint: Endpoint, raw: Readonly<Record<string, unknown>>): void {
    const labels = this.#options.labels.apply(raw);
    const same = JSON.stringify(labels) === JSON.stringify(endpoint.labels.labels);
    const nowMs = this.#options.clock.monotonic();
    if (!same && nowMs - endpoint.labelsSinceMs < RELABEL_EVERY_MS) return;
    endpoint.raw = raw;
    if (same) return;
    endpoint.labels = new LabelSet(labels);
    endpoint.labelsSinceMs = nowMs;
    for (const [shape, series] of endpoint.series) {
      this.#endSeries(endpoint, series);
      // The time is kept: should the old labels return, their series goes on after its marker.
      endpoint.series.set(shape, { ...series, endpoint: endpoint.labels });
    }
  }

  #seriesOf(endpoint: Endpoint, { name, labels, isDetail = false }: Sample): Series | DropReason {
    const definition = this.#options.definitions.get(name);
    if (definition === undefined) return 'unknown_metric';
    let key = name;
    let found = 0;
    for (const label of definition.labels ?? []) {
      const value = labels?.[label];
      if (typeof value === 'string') found += 1;
      key += `\0${typeof value === 'string' ? cleanLabelValue(value) : ''}`;
    }
    if (labels !== undefined && Object.keys(labels).length !== found) return 'unknown_label';
    const shape = this.#shapes.get(key);
    const known = shape === undefined ? undefined : endpoint.series.get(shape);
    if (known !== undefined) return known;
    const most = this.#options.maxSeriesPerEndpoint * (isDetail ? DETAIL_SHARE : 1);
    if (endpoint.series.size >= Math.floor(most)) return 'endpoint_series_limit';
    if (this.#series >= this.#options.maxSeries) return 'series_limit';
    return this.#add(endpoint, shape ?? this.#addShape(key, definition));
  }

  #add(endpoint: Endpoint, shape: SeriesShape): Series {
    const series = { shape, endpoint: endpoint.labels, lastMs: -1, seenSweep: this.#sweeps, active: false };
    endpoint.series.set(shape, series);
    shape.uses += 1;
    this.#series += 1;
    return series;
  }

  #addShape(key: string, definition: MetricDefinition): SeriesShape {
    const [, ...values] = key.split('\0');
    const own = (definition.labels ?? []).map((name, index) => ({ name, value: values[index] ?? '' }));
    const shape = new SeriesShape(key, definition, own);
    this.#shapes.set(key, shape);
    return shape;
  }

  #endSeries(endpoint: Endpoint | undefined, series: Series): void {
    if (!series.active || endpoint === undefined) return;
    series.active = false;
    series.lastMs += 1;
    this.#options.push(endpoint.hash, series, series.lastMs, Number.NaN);
  }

  #forget(endpoint: Endpoint | undefined, { shape }: Series): void {
    if (endpoint?.series.delete(shape) !== true) return;
    this.#series -= 1;
    shape.uses -= 1;
    if (shape.uses === 0) this.#shapes.delete(shape.key);
  }
}

/** FNV-1a over UTF-16 units. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
