import { pastSamples } from '@muster/api-client';
import type { MetricsEventJson, ScaledHostSeriesJson } from '@muster/api-contract';
import type { StreamEvent } from '../stream/protocol.js';
import { refusalOf } from '../stream/refusal.js';

/** One line of a chart. */
interface ChartLine {
  readonly name: string;
  readonly tone: string;
  /** The series that are added up for it. */
  readonly of: (series: ScaledHostSeriesJson) => boolean;
}

export interface ChartKind {
  readonly id: string;
  readonly title: string;
  readonly unit: 'percent' | 'bytes' | 'bytes_per_second' | 'number';
  readonly lines: readonly ChartLine[];
}

const has = (name: string, attribute?: string, value?: string) => (series: ScaledHostSeriesJson) =>
  series.name === name && (attribute === undefined || series.attributes[attribute] === value);
const notLoopback = (direction: string) => (series: ScaledHostSeriesJson) =>
  has('system.network.io', 'network.io.direction', direction)(series) &&
  series.attributes['network.interface.name'] !== 'lo';

/** The charts of an endpoint. */
export const CHARTS: readonly ChartKind[] = [
  {
    id: 'cpu',
    title: 'CPU',
    unit: 'percent',
    lines: [{ name: 'used', tone: 'answered', of: has('system.cpu.utilization') }],
  },
  {
    id: 'memory',
    title: 'Memory',
    unit: 'bytes',
    lines: [
      { name: 'used', tone: 'answered', of: has('system.memory.usage', 'system.memory.state', 'used') },
      { name: 'cached', tone: 'timed_out', of: has('system.memory.usage', 'system.memory.state', 'cached') },
    ],
  },
  {
    id: 'network',
    title: 'Network',
    unit: 'bytes_per_second',
    lines: [
      { name: 'received', tone: 'answered', of: notLoopback('receive') },
      { name: 'sent', tone: 'refused', of: notLoopback('transmit') },
    ],
  },
  {
    id: 'disk',
    title: 'Disk',
    unit: 'bytes_per_second',
    lines: [
      { name: 'read', tone: 'answered', of: has('system.disk.io', 'disk.io.direction', 'read') },
      { name: 'written', tone: 'refused', of: has('system.disk.io', 'disk.io.direction', 'write') },
    ],
  },
  {
    id: 'load',
    title: 'Load, 1 min',
    unit: 'number',
    lines: [{ name: 'load', tone: 'answered', of: has('system.cpu.load_average.1m') }],
  },
];

/** Ten minutes at one a second. */
const KEPT_S = 600;
/** Two samples that are further apart have a gap between them. */
const GAP_S = 5;

type Sample = Extract<MetricsEventJson, { readonly event: 'sample' }>;
/** Seconds since 1970, then one array a line: what uPlot draws. */
export type ChartColumns = readonly (readonly (number | null)[])[];

/** The last ten minutes of an endpoint, chart by chart. Counters are shown by their growth per second. */
export class ChartData {
  #series: readonly ScaledHostSeriesJson[] = [];
  #samples: Sample[] = [];
  state: 'watched' | 'away' | undefined;
  /** Why no samples come; its next event says that they do again. */
  refusal: string | undefined;

  /** Takes an event of a subscription `metrics`. */
  takeEvent(event: StreamEvent): void {
    this.refusal = refusalOf(event);
    if (this.refusal === undefined) this.take(event as unknown as MetricsEventJson);
  }

  take(event: MetricsEventJson): void {
    switch (event.event) {
      case 'series':
        // Values stand in the order of the series: older samples are of the order before.
        if (this.#series.length > 0 && !sameNames(this.#series, event.series)) this.#samples = [];
        this.#series = event.series;
        break;
      case 'past':
        if (event.kind !== 'seconds') break;
        for (const sample of pastSamples(event, this.#series)) if (sample.event === 'sample') this.#add(sample);
        break;
      case 'sample':
        this.#add(event);
        break;
      case 'state':
        this.state = event.state;
        break;
      default:
        break;
    }
  }

  get length(): number {
    return this.#samples.length;
  }

  /** The times without samples: when the last one before and the first one after each were taken. */
  gaps(): readonly { readonly from: string; readonly to: string }[] {
    return this.#samples.flatMap(({ at: to }, place) => {
      const from = this.#samples[place - 1]?.at ?? to;
      return Date.parse(to) - Date.parse(from) > GAP_S * 1_000 ? [{ from, to }] : [];
    });
  }

  columns({ lines }: ChartKind): ChartColumns {
    const times = this.#samples.map(({ at }) => Date.parse(at) / 1_000);
    return [times, ...lines.map(({ of }) => this.#line(of, times))];
  }

  #line(of: ChartLine['of'], times: readonly number[]): (number | null)[] {
    const places = this.#series.flatMap((series, at) => (of(series) ? [at] : []));
    const isCounter = places.some((at) => this.#series[at]?.kind === 'counter');
    const sums = this.#samples.map(({ values }) => sumOf(places.map((at) => values[at] ?? null)));
    if (!isCounter) return sums;
    return sums.map((sum, at) => {
      const before = sums[at - 1];
      const seconds = (times[at] ?? 0) - (times[at - 1] ?? 0);
      // A counter that fell began anew; after a gap nobody knows when it grew.
      if (sum === null || typeof before !== 'number' || sum < before || seconds <= 0 || seconds > GAP_S) return null;
      return (sum - before) / seconds;
    });
  }

  #add(sample: Sample): void {
    const last = this.#samples.at(-1);
    if (last !== undefined && sample.at <= last.at) return;
    this.#samples.push(sample);
    const from = Date.parse(sample.at) - KEPT_S * 1_000;
    while (this.#samples[0] !== undefined && Date.parse(this.#samples[0].at) < from) this.#samples.shift();
  }
}

function sumOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0);
}

function sameNames(one: readonly ScaledHostSeriesJson[], other: readonly ScaledHostSeriesJson[]): boolean {
  const nameOf = ({ name, attributes }: ScaledHostSeriesJson): string => name + JSON.stringify(attributes);
  return one.length === other.length && one.every((series, at) => nameOf(series) === nameOf(other[at] ?? series));
}
