import type { MetricsEventJson } from '@muster/api-contract';
import { GROUP_ATTRIBUTE, GROUP_METRICS, GROUPS, HOST_METRICS, type Sample, type Shape } from '@muster/host-metrics';
import type { ProcessesBody } from '@muster/protocol';
import type { FailingRule } from '@muster/records';

type EventOf<K extends MetricsEventJson['event']> = Extract<MetricsEventJson, { readonly event: K }>;

/**
 * The text of a `series` event: the series of a shape, in the order of the values of its samples. Made once for all
 * viewers of endpoints of one shape.
 */
export function seriesText(shape: Shape): string {
  let text = seriesTexts.get(shape);
  if (text === undefined) {
    text = JSON.stringify(seriesJson(shape));
    seriesTexts.set(shape, text);
  }
  return text;
}

const seriesTexts = new WeakMap<Shape, string>();

/** The series of a shape, in the order of the values of its samples. */
function seriesJson(shape: Shape): EventOf<'series'> {
  const series: EventOf<'series'>['series'][number][] = HOST_METRICS.map(({ name, attributes, unit, kind, scale }) => ({
    ...{ name, attributes, unit, kind, scale },
  }));
  for (const group of GROUPS) {
    for (const instance of shape.names[group]) {
      for (const { name, attributes, unit, kind, scale } of GROUP_METRICS[group]) {
        const all = { ...attributes, [GROUP_ATTRIBUTE[group]]: instance };
        series.push({ name, attributes: all, unit, kind, scale, group, instance });
      }
    }
  }
  return { event: 'series', seq: null, series };
}

/** `changedMs`: the last change of the endpoint's health, for rules of records that do not say since when. */
export function failingRulesJson(rules: readonly FailingRule[], changedMs: number) {
  return rules.map(({ sinceMs = changedMs, ...rule }) => ({ ...rule, since: timeText(sinceMs) }));
}

/** The values of a sample in the units of their series. */
export function valuesJson({ shape, values }: Pick<Sample, 'shape' | 'values'>): (number | null)[] {
  const scales = scalesOf(shape);
  return Array.from(values, (value, i) => {
    const scale = scales[i] ?? 1;
    // Dividing by 1000 is exact where multiplying by 0.001 is not.
    return Number.isNaN(value) ? null : scale < 1 ? value / Math.round(1 / scale) : value * scale;
  });
}

export function processesJson({ atMs, byCpu, byMemory }: ProcessesBody): EventOf<'processes'> {
  const named = (list: ProcessesBody['byCpu']) =>
    list.map(([pid, name, cpu, residentBytes, user]) => ({ pid, name, cpu, residentBytes, user }));
  return { event: 'processes', seq: null, at: timeText(atMs), byCpu: named(byCpu), byMemory: named(byMemory) };
}

/** An endpoint's clock may say anything. */
export function timeText(atMs: number): string {
  return new Date(Math.min(atMs, 8.64e15)).toISOString();
}

const known = new WeakMap<Shape, Float64Array>();

function scalesOf(shape: Shape): Float64Array {
  let scales = known.get(shape);
  if (scales === undefined) {
    const all = HOST_METRICS.map(({ scale }) => scale);
    for (const group of GROUPS) {
      for (const _ of shape.names[group]) all.push(...GROUP_METRICS[group].map(({ scale }) => scale));
    }
    scales = Float64Array.from(all);
    known.set(shape, scales);
  }
  return scales;
}
