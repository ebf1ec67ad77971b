import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import * as common from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardLinkBuilder,
  DashboardLinkType,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type Panel,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatPanelBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeseriesPanelBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { runbookUrl } from './runbook.js';

/** The data source that the person looking has chosen. */
export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' } as const;

export interface PanelQuery {
  /** PromQL. `$m` stands for the matchers of the dashboard's variables, such as job and instance: `up{$m}`, `up{$m,code="1"}`. */
  readonly expr: string;
  /** Grafana's legend: `{{instance}}`. */
  readonly legend: string;
}

export interface PanelSpec {
  readonly title: string;
  /** What it shows, and what to do about a bad value. */
  readonly description: string;
  /** A unit of Grafana, from `@grafana/grafana-foundation-sdk/units`. */
  readonly unit: string;
  readonly queries: readonly PanelQuery[];
  /** Yellow and red from these values on; `[warn]` or `[warn, bad]`. `falling`: below them. */
  readonly thresholds?: { readonly at: readonly number[]; readonly falling?: true };
  /** The alert whose section of the runbook the panel links to. */
  readonly alert?: string;
  /** One value instead of a curve. */
  readonly single?: true;
  readonly stacked?: true;
  /** Of 24; default 8, a single value 4. */
  readonly width?: number;
  readonly max?: number;
}

const COLOURS = ['green', 'yellow', 'red'] as const;

/** A panel of the house: data source by variable, thresholds, a link to the runbook. */
export function panel(
  spec: PanelSpec,
  { runbookBase, choices }: { readonly runbookBase: string; readonly choices: readonly string[] },
): Builder<Panel> {
  const matchers = choices.map((name) => `${name}=~"$${name}"`).join(',');
  const targets = spec.queries.map(({ expr, legend }, index): Builder<Dataquery> => {
    const query = new DataqueryBuilder()
      .datasource(DATASOURCE)
      .expr(expr.replaceAll('$m', matchers))
      .legendFormat(legend)
      .refId(String.fromCharCode(65 + index));
    return spec.single === true ? query.instant() : query.range();
  });
  const links =
    spec.alert === undefined
      ? []
      : [
          new DashboardLinkBuilder(`Runbook: ${spec.alert}`)
            .type(DashboardLinkType.Link)
            .url(runbookUrl(runbookBase, spec.alert))
            .targetBlank(true),
        ];
  const builder = spec.single === true ? singleValue() : curves(spec);
  builder
    .title(spec.title)
    .description(spec.description)
    .datasource(DATASOURCE)
    .unit(spec.unit)
    .targets(targets)
    .links(links)
    .height(spec.single === true ? 4 : 8)
    .span(spec.width ?? (spec.single === true ? 4 : 8));
  if (spec.max !== undefined) builder.max(spec.max);
  if (spec.thresholds !== undefined) builder.thresholds(thresholds(spec.thresholds));
  return builder;
}

function singleValue(): StatPanelBuilder {
  return new StatPanelBuilder().reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']));
}

function curves({ stacked, thresholds: bounds }: PanelSpec): TimeseriesPanelBuilder {
  const builder = new TimeseriesPanelBuilder()
    .lineWidth(1)
    .fillOpacity(stacked === true ? 40 : 8)
    .min(0)
    .showPoints(common.VisibilityMode.Never)
    .tooltip(
      new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending),
    )
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom)
        .showLegend(true),
    );
  if (stacked === true) builder.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal));
  if (bounds !== undefined) {
    builder.thresholdsStyle(new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Line));
  }
  return builder;
}

function thresholds({ at, falling }: NonNullable<PanelSpec['thresholds']>): ThresholdsConfigBuilder {
  const colours = falling === true ? COLOURS.slice(COLOURS.length - 1 - at.length).toReversed() : COLOURS;
  const steps = [null, ...(falling === true ? at.toReversed() : at)].map((value, index) => ({
    value,
    color: colours[index] ?? 'red',
  }));
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(steps);
}
