import {
  GROUP_ATTRIBUTE,
  GROUP_METRICS,
  GROUPS,
  HOST_METRICS,
  type Group,
  type HostMetric,
} from '@muster/host-metrics';
import type { MetricDefinition } from '@muster/remote-write';

/** UCUM → the suffix that the OpenTelemetry collector's Prometheus exporter gives a name. Units in braces are left out. */
const UNITS: Readonly<Record<string, string>> = {
  By: 'bytes',
  s: 'seconds',
  Cel: 'celsius',
};

/** How a series is called in Prometheus: `system.cpu.time` in `s`, a counter → `system_cpu_time_seconds_total`. */
export function prometheusName({ name, unit, kind }: Pick<HostMetric, 'name' | 'unit' | 'kind'>): string {
  const parts = [prometheusLabel(name)];
  const suffix = UNITS[unit] ?? (unit === '1' && kind === 'gauge' ? 'ratio' : undefined);
  if (suffix !== undefined && !name.endsWith(suffix)) parts.push(suffix);
  if (kind === 'counter') parts.push('total');
  return parts.join('_');
}

export function prometheusLabel(attribute: string): string {
  return attribute.replaceAll(/[^a-zA-Z0-9_]/g, '_');
}

/** Every series that endpoints may have, one for each name. */
export function metricDefinitions(): MetricDefinition[] {
  const byName = new Map<string, { readonly metric: HostMetric; readonly labels: Set<string> }>();
  const add = (metric: HostMetric, group?: Group): void => {
    const name = prometheusName(metric);
    const known = byName.get(name) ?? { metric, labels: new Set<string>() };
    byName.set(name, known);
    for (const attribute of Object.keys(metric.attributes)) known.labels.add(prometheusLabel(attribute));
    if (group !== undefined) known.labels.add(prometheusLabel(GROUP_ATTRIBUTE[group]));
  };
  for (const metric of HOST_METRICS) add(metric);
  for (const group of GROUPS) for (const metric of GROUP_METRICS[group]) add(metric, group);
  return [...byName].map(([name, { metric, labels }]) => ({
    ...{ name, type: metric.kind, labels: [...labels] },
    ...(UNITS[metric.unit] === undefined ? {} : { unit: UNITS[metric.unit] as string }),
  }));
}
