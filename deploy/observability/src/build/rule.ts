/** Rules as Prometheus has them, and the cases by which promtool tests them. */

/** Series with their values, one a minute, in promtool's notation: `0x5 1x10`, `0+3x20`. */
export type Series = Readonly<Record<string, string>>;

export interface RuleCase {
  readonly series: Series;
  /** When the alert is looked at: `20m`. */
  readonly at: string;
}

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  /** `critical`: a person now. `warning`: a person today. `info`: nobody has to come. */
  readonly severity: 'critical' | 'warning' | 'info';
  /** One line, without values. */
  readonly summary: string;
  /** With values, as a Go template. */
  readonly description: string;
  /** Further labels. */
  readonly labels?: Readonly<Record<string, string>>;
  /** It fires here … */
  readonly fires: RuleCase;
  /** … and not here: just below its bound, or for a shorter time. */
  readonly quiet: RuleCase;
}

export interface RecordingRule {
  /** `level:metric:operation`. */
  readonly record: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export type Rule = AlertRule | RecordingRule;

export interface RuleGroup {
  /** Its file is `prometheus/rules/NAME.yaml`. */
  readonly name: string;
  /** Every minute, unless it says otherwise. */
  readonly interval?: string;
  readonly rules: readonly Rule[];
}

export function isAlert(rule: Rule): rule is AlertRule {
  return 'alert' in rule;
}
