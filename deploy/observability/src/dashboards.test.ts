import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { generatedFiles } from './generate.js';
import { selectorsOf, withoutVariables, type Selector } from './promql.js';

/** What is looked at of Grafana's model. */
interface Target {
  readonly expr: string;
  readonly legendFormat: string;
  readonly datasource: { readonly uid: string };
}
interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: { readonly uid: string };
  readonly targets?: readonly Target[];
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly links?: readonly { readonly url: string }[];
}
interface Model {
  readonly uid: string;
  readonly title: string;
  readonly editable: boolean;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly Variable[] };
}
interface Variable {
  readonly name: string;
  readonly type: string;
  readonly refresh?: number;
  readonly datasource?: { readonly uid: string };
}

const models = [...generatedFiles().keys()]
  .filter((path) => path.endsWith('.json'))
  .map((path) => JSON.parse(readFileSync(path, 'utf8')) as Model);
const panels = models.flatMap((model) =>
  model.panels
    .filter(({ type }) => type !== 'row')
    .map((panel) => [`${model.title}: ${panel.title}`, panel, model] as const),
);
const operations = readFileSync(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
/** Functions that a counter may stand in: its value by itself says nothing. */
const OVER_TIME = new Set(['rate', 'increase', 'irate']);
/** Histograms of gauges: how the fleet is now. And gauges that OpenTelemetry names `count`. */
const NOW =
  /^muster_telemetry_endpoint_|^system_(process|thread|network_connection|linux_file_handle|cpu_logical)_count/;
const ON_TIME_RANGE = 2;
const isRecorded = ({ name }: Selector): boolean => typeof name === 'string' && name.includes(':');

// The rules of grafana/dashboard-linter (docs/rules), and ours.
describe.each(models.map((model) => [model.title, model] as const))('%s', (_title, model) => {
  test('cannot be changed in Grafana, and has a uid of its own', () => {
    expect(model.editable).toBe(false);
    expect(models.filter(({ uid }) => uid === model.uid)).toHaveLength(1);
  });

  test('lets people choose the data source, and job and instance or one endpoint where series have them', () => {
    const [source, ...others] = model.templating.list;
    expect(source).toMatchObject({ name: 'datasource', type: 'datasource' });
    const recorded = panelsOf(model).every((panel) =>
      panel.targets?.every(({ expr }) => selectorsOf(withoutVariables(expr)).every(isRecorded)),
    );
    expect(others.map(({ name }) => name)).toEqual(recorded ? [] : choicesOf(model));
    for (const { refresh, datasource } of others)
      expect({ refresh, uid: datasource?.uid }).toEqual({ refresh: ON_TIME_RANGE, uid: '${datasource}' });
  });

  test('has no two panels with one title or one place', () => {
    const all = panelsOf(model);
    expect(new Set(model.panels.map(({ id }) => id)).size).toBe(model.panels.length);
    const places = all.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, n) => `${x + (n % w)},${y + Math.floor(n / w)}`),
    );
    expect(new Set(places).size).toBe(places.length);
    expect(Math.max(...all.map(({ gridPos: { x, w } }) => x + w))).toBeLessThanOrEqual(24);
  });
});

describe.each(panels)('%s', (_title, panel, model) => {
  test('has title, description, unit, data source and queries with legends', () => {
    expect(panel).toMatchObject({
      title: expect.stringMatching(/\S/) as unknown,
      description: expect.stringMatching(/\S.*\.$/) as unknown,
      datasource: { uid: '${datasource}' },
      fieldConfig: { defaults: { unit: expect.stringMatching(/^\w+$/) as unknown } },
    });
    expect(panel.targets?.length).toBeGreaterThan(0);
    for (const { legendFormat, datasource } of panel.targets ?? [])
      expect([legendFormat, datasource.uid]).toEqual([expect.stringMatching(/\S/), '${datasource}']);
  });

  test('asks in PromQL, for what is chosen, and for counters over time', () => {
    for (const { expr } of panel.targets ?? []) {
      // How often a process started within an hour does not depend on the resolution of the graph.
      expect(expr.replace(/changes\([^)]*\)/g, '')).not.toMatch(/\[\d/);
      for (const selector of selectorsOf(withoutVariables(expr))) {
        if (isRecorded(selector)) continue;
        expect([selector.text, selector.labels]).toEqual([selector.text, expect.arrayContaining(choicesOf(model))]);
        if (/_(total|count|bucket|sum)\b/.test(selector.text))
          expect([selector.text, OVER_TIME.has(selector.within ?? '')]).toEqual([
            selector.text,
            !NOW.test(selector.text),
          ]);
      }
    }
  });

  test('links to a section of the runbook that exists', () => {
    for (const { url } of panel.links ?? []) {
      const [, anchor = ''] = url.split('#');
      expect(operations.toLowerCase()).toContain(`\n### ${anchor}\n`);
    }
  });
});

/** Series of endpoints have no job and instance. */
function choicesOf({ title }: Model): string[] {
  return title === 'Muster / Endpoint' ? ['org', 'host', 'agent'] : ['job', 'instance'];
}

function panelsOf({ panels: all }: Model): readonly Panel[] {
  return all.filter(({ type }) => type !== 'row');
}
