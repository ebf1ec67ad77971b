import type { HostSeriesJson, MetricsEventJson, ScaledHostSeriesJson } from '@muster/api-contract';
import { GROUP_ATTRIBUTE, GROUP_METRICS, GROUPS, HOST_METRICS, type Group } from '@muster/host-metrics';
import { readHost, type HostReading } from '../top/endpoint/host-reading.js';
import { HostSeries } from '../top/endpoint/host-series.js';

export const START_MS = Date.UTC(2026, 0, 1);

export type Names = { readonly [G in Group]?: readonly string[] };

/** A machine of two cores. */
export const USUAL: Names = {
  core: ['0', '1'],
  disk: ['sda'],
  interface: ['lo', 'eth0'],
  filesystem: ['/', '/var/lib/docker'],
  temperature: ['package'],
  battery: ['BAT0'],
};

const known = new WeakMap<Names, readonly ScaledHostSeriesJson[]>();

/** The series of a machine with these parts, as the API names them. */
export function seriesOf(names: Names = USUAL): readonly ScaledHostSeriesJson[] {
  const series = known.get(names) ?? makeSeries(names);
  known.set(names, series);
  return series;
}

function makeSeries(names: Names): ScaledHostSeriesJson[] {
  const series: ScaledHostSeriesJson[] = HOST_METRICS.map(({ name, attributes, unit, kind, scale }) => ({
    ...{ name, attributes, unit, kind, scale },
  }));
  for (const group of GROUPS) {
    for (const instance of names[group] ?? []) {
      for (const { attributes, ...metric } of GROUP_METRICS[group]) {
        const { name, unit, kind, scale } = metric;
        const all = { ...attributes, [GROUP_ATTRIBUTE[group]]: instance };
        series.push({ ...{ name, attributes: all, unit, kind, scale, group, instance } });
      }
    }
  }
  return series;
}

type ValueOf = (series: HostSeriesJson, second: number) => number | null;

/** A machine whose counters grow by `perSecond` and whose gauges are as they are. */
export const busy: ValueOf = ({ name, attributes, kind, instance }, second) => {
  const own = Object.values(attributes);
  if (kind === 'counter') {
    if (name === 'system.cpu.time') {
      const cores = instance === undefined ? 2 : 1;
      if (own.includes('idle')) return 0.5 * cores * second;
      if (own.includes('user')) return 0.3 * cores * second;
      return own.includes('system') ? 0.2 * cores * second : 0;
    }
    if (name.includes('pressure')) return 0.1 * second;
    return name.includes('time') ? 0.25 * second : 2_048 * second;
  }
  if (name === 'system.cpu.utilization') return 0.5;
  if (name === 'system.cpu.logical.count') return 2;
  if (name.includes('load_average')) return 1.25;
  if (name.startsWith('hw.battery')) return name.endsWith('charge') ? 0.8 : 1;
  if (name === 'muster.agent.omitted') return 0;
  if (name.includes('count') || name.includes('uptime') || name.includes('temperature')) return 40;
  return name.endsWith('limit') ? 8 * 2 ** 30 : 2 ** 30;
};

/** The values at this second. */
export function valuesAt(second: number, of: ValueOf = busy, names: Names = USUAL): (number | null)[] {
  return seriesOf(names).map((series) => of(series, second));
}

/** What a reader of two samples a second apart knows. */
export function readingOf(of: ValueOf = busy, names: Names = USUAL): HostReading {
  const series = new HostSeries(seriesOf(names));
  const [before, now] = [1, 2].map((second) => ({
    atMs: START_MS + second * 1_000,
    series,
    values: valuesAt(second, of, names),
  }));
  return readHost(now!, before);
}

/** The events of a stream: the series, then the past, and one live sample. */
export function eventsOf(seconds: number, of: ValueOf = busy, names: Names = USUAL): MetricsEventJson[] {
  return [
    { event: 'series', seq: null, series: [...seriesOf(names)] },
    { event: 'state', seq: null, state: 'watched' },
    ...Array.from({ length: seconds }, (_, i) => sampleEvent(i, i === seconds - 1 ? 'live' : 'history', of, names)),
  ];
}

/** The same with its past in columns, as `layout=columns` has it. */
export function inColumns(events: readonly MetricsEventJson[], names: Names = USUAL): MetricsEventJson[] {
  const isPast = (event: MetricsEventJson): boolean => event.event === 'sample' && event.from === 'history';
  const past = events.flatMap((event) => (event.event === 'sample' && isPast(event) ? [event] : []));
  const [first] = past;
  if (first === undefined) return [...events];
  const times = past.map(({ at }) => Date.parse(at));
  const columns = seriesOf(names).map(({ scale }, i) => {
    const whole = past.map(({ values }) =>
      (values[i] ?? null) === null ? null : Math.round((values[i] ?? 0) / scale),
    );
    return whole.map((value, k) => (value === null ? null : value - (whole[k - 1] ?? 0)));
  });
  const stepsMs = times.map((atMs, i) => atMs - (times[i - 1] ?? atMs));
  const at = first.at;
  const event = { event: 'past', seq: times.at(-1) ?? null, kind: 'seconds', at, stepsMs, columns } as const;
  const rest = events.filter((one) => !isPast(one));
  const begin = rest.findIndex((one) => one.event === 'sample');
  return [...rest.slice(0, begin), event, ...rest.slice(begin)];
}

export function sampleEvent(
  second: number,
  from: 'history' | 'live' = 'live',
  of: ValueOf = busy,
  names: Names = USUAL,
): Extract<MetricsEventJson, { readonly event: 'sample' }> {
  const atMs = START_MS + second * 1_000;
  return { event: 'sample', seq: atMs, at: new Date(atMs).toISOString(), from, values: valuesAt(second, of, names) };
}
