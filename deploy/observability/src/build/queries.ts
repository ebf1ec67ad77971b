import type { PanelQuery } from './panel.js';

/** Events a second of a counter, added up by these labels. */
export function rateBy(counter: string, ...labels: readonly string[]): PanelQuery {
  const by = labels.length === 0 ? '' : ` by (${labels.join(', ')})`;
  const legend = labels.length === 0 ? 'all' : labels.map((label) => `{{${label}}}`).join(' ');
  return { expr: `sum${by} (rate(${selector(counter)}[$__rate_interval]))`, legend };
}

/** A gauge, added up by these labels. */
export function sumBy(gauge: string, ...labels: readonly string[]): PanelQuery {
  const by = labels.length === 0 ? '' : ` by (${labels.join(', ')})`;
  const legend = labels.length === 0 ? 'all' : labels.map((label) => `{{${label}}}`).join(' ');
  return { expr: `sum${by} (${selector(gauge)})`, legend };
}

/** A share whose limit may not be known: then there is no curve, and its legend says so. */
export function shareBy(gauge: string, label: string): readonly PanelQuery[] {
  const share = maxBy(gauge, label);
  return [
    { expr: `${share.expr} >= 0`, legend: share.legend },
    { expr: `${share.expr} unless ${share.expr} >= 0`, legend: `unknown ${share.legend}` },
  ];
}

/** The highest value of a gauge by these labels. */
export function maxBy(gauge: string, ...labels: readonly string[]): PanelQuery {
  return {
    expr: `max by (${labels.join(', ')}) (${selector(gauge)})`,
    legend: labels.map((label) => `{{${label}}}`).join(' '),
  };
}

/** Quantiles of a histogram over all chosen instances, or by a label. */
export function quantiles(histogram: string, of: readonly number[] = [0.5, 0.95, 0.99], by?: string): PanelQuery[] {
  return of.map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (${by === undefined ? '' : `${by}, `}le) (rate(${selector(histogram, '_bucket')}[$__rate_interval])))`,
    legend: `p${quantile * 100}${by === undefined ? '' : ` {{${by}}}`}`,
  }));
}

/** Quantiles of a histogram of gauges, which tells how things are distributed now: its buckets go down too. */
export function quantilesNow(histogram: string, of: readonly number[] = [0.5, 0.9, 0.99], by?: string): PanelQuery[] {
  return of.map((quantile) => ({
    expr: `histogram_quantile(${quantile}, sum by (${by === undefined ? '' : `${by}, `}le) (${selector(histogram, '_bucket')}))`,
    legend: `p${quantile * 100}${by === undefined ? '' : ` {{${by}}}`}`,
  }));
}

/** What all services have under their own names: `muster_gateway_bus_connected`, `muster_query_bus_connected` … */
export function ofEach(name: string): string {
  return `~muster_.+_${name}`;
}

/** `name{matchers}` with the matchers of job and instance; `~` begins a pattern of names. */
function selector(metric: string, suffix = ''): string {
  const [, name = metric, own = ''] = /^([^{]+)(?:\{(.*)\})?$/.exec(metric) ?? [];
  const more = own === '' ? '' : `,${own}`;
  return name.startsWith('~') ? `{__name__=~"${name.slice(1)}${suffix}",$m${more}}` : `${name}${suffix}{$m${more}}`;
}
