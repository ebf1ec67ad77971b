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
  readonly rows: readonly RowSpec[];
}

export interface RowSpec {
  readonly title: string;
  readonly panels: readonly PanelSpec[];
}

const TAG = 'muster';

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
  if (spec.chooseBy !== undefined) {
    builder
      .withVariable(choice('job', `label_values(${spec.chooseBy}, job)`))
      .withVariable(
        choice(
          'instance',
          `label_values(${spec.chooseBy.replace(/\}?$/, '')}${spec.chooseBy.includes('{') ? ',' : '{'}job=~"$job"}, instance)`,
        ),
      );
  }
  for (const { title, panels } of spec.rows) {
    builder.withRow(new RowBuilder(title));
    for (const one of panels) builder.withPanel(panel(one, runbookBase));
  }
  const model = builder.build();
  // The library numbers none.
  for (const [index, one] of (model.panels ?? []).entries()) one.id = index + 1;
  return model;
}

/** Reloads when the time range changes: instances come and go. */
function choice(name: string, query: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .label(name[0]?.toUpperCase() + name.slice(1))
    .datasource(DATASOURCE)
    .query({ query, refId: name })
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue('.+');
}
