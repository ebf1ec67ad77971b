import {
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
  type Dashboard,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DATASOURCE, panel, type PanelSpec } from './panel.js';

export interface DashboardSpec {
  /** Its file is `grafana/dashboards/NAME.json`, its uid `muster-NAME`. */
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /**
   * A metric that the processes have whose jobs and instances can be chosen. Absent where the dashboard shows recorded series, which have
   * neither.
   */
  readonly chooseBy?: string;
  /** The labels of this metric by which people choose one thing instead, each among those that the labels before it leave. */
  readonly choices?: readonly string[];
  readonly rows: readonly RowSpec[];
}

export interface RowSpec {
  readonly title: string;
  readonly panels: readonly PanelSpec[];
}

const TAG = 'muster';
/** The labels by which Prometheus tells processes apart. */
const PROCESS: readonly string[] = ['job', 'instance'];

export function dashboard(spec: DashboardSpec, runbookBase: string): Dashboard {
  const builder = new DashboardBuilder(spec.title)
    .uid(`muster-${spec.name}`)
    .description(spec.description)
    .tags([TAG])
    .readonly()
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .time({ from: 'now-1h', to: 'now' })
    .refresh('30s')
    .link(
      new DashboardLinkBuilder('Muster')
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .asDropdown(true)
        .includeVars(true)
        .keepTime(true),
    )
    .link(new DashboardLinkBuilder('Runbook').type(DashboardLinkType.Link).url(runbookBase).targetBlank(true))
    .withVariable(new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'));
  const { chooseBy, choices = PROCESS } = spec;
  if (chooseBy !== undefined) {
    for (const [i, name] of choices.entries())
      builder.withVariable(
        choice(name, { metric: chooseBy, before: choices.slice(0, i), isMany: choices === PROCESS }),
      );
  }
  for (const { title, panels } of spec.rows) {
    builder.withRow(new RowBuilder(title));
    for (const one of panels) builder.withPanel(panel(one, { runbookBase, choices }));
  }
  const model = builder.build();
  // The library numbers none.
  for (const [index, one] of (model.panels ?? []).entries()) one.id = index + 1;
  return model;
}

interface Choice {
  readonly metric: string;
  /** What is chosen before. */
  readonly before: readonly string[];
  /** Several of them, or all. */
  readonly isMany: boolean;
}

/** Reloads when the time range changes: instances come and go. */
function choice(name: string, { metric, before, isMany }: Choice): QueryVariableBuilder {
  const [, its = metric, own = ''] = /^([^{]+)(?:\{(.*)\})?$/.exec(metric) ?? [];
  const matchers = [...(own === '' ? [] : [own]), ...before.map((each) => `${each}=~"$${each}"`)].join(',');
  const from = matchers === '' ? its : `${its}{${matchers}}`;
  const builder = new QueryVariableBuilder(name)
    .label(`${name[0]?.toUpperCase()}${name.slice(1)}`)
    .datasource(DATASOURCE)
    .query({ query: `label_values(${from}, ${name})`, refId: name })
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc);
  return isMany ? builder.multi(true).includeAll(true).allValue('.+') : builder;
}
