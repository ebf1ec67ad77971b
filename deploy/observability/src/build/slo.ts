import type { AlertRule, RecordingRule, Rule, RuleCase } from './rule.js';

/** A service level objective: the share of events that may be bad, and how it is measured. */
export interface Slo {
  /** The value of the label `slo`. */
  readonly id: string;
  /** Its alerts; they differ in their windows. */
  readonly alert: string;
  /** What is promised, in words: it continues "The objective is that …". */
  readonly promise: string;
  /** The share of good events: 0.99. */
  readonly objective: number;
  /** The share of bad events within a window such as `5m`. Nothing, not 0, where there was no event. */
  readonly badShare: (window: string) => string;
  readonly fires: RuleCase;
  readonly quiet: RuleCase;
}

/**
 * The windows of the Site Reliability Workbook (chapter 5): both the long and the short one must burn that many times
 * faster than the budget of 30 days allows. The short one ends the alert soon after the fault.
 */
const BURN_RATES = [
  { factor: 14.4, long: '1h', short: '5m', severity: 'critical' },
  { factor: 6, long: '6h', short: '30m', severity: 'critical' },
  { factor: 3, long: '1d', short: '2h', severity: 'warning' },
  { factor: 1, long: '3d', short: '6h', severity: 'warning' },
] as const;

const WINDOWS = [...new Set(BURN_RATES.flatMap(({ long, short }) => [short, long]))];

/** `slo:muster_error_ratio:rate5m` and so on, the budget, and the alerts of one objective. */
export function sloRules(slo: Slo): Rule[] {
  const labels = { slo: slo.id };
  const recorded = WINDOWS.map((window): RecordingRule => ({
    record: errorRatio(window),
    expr: slo.badShare(window),
    labels,
  }));
  return [
    ...recorded,
    { record: 'slo:muster_error_budget:ratio', expr: `vector(${budgetOf(slo)})`, labels },
    ...BURN_RATES.map((rate) => burnAlert(slo, rate)),
  ];
}

function burnAlert(slo: Slo, { factor, long, short, severity }: (typeof BURN_RATES)[number]): AlertRule {
  const bound = Number((factor * budgetOf(slo)).toPrecision(6));
  const burns = (window: string): string => `${errorRatio(window)}{slo="${slo.id}"} > ${bound}`;
  return {
    alert: slo.alert,
    expr: `${burns(long)}\n  and ${burns(short)}`,
    severity,
    labels: { slo: slo.id, window: long },
    summary: `The error budget is used up ${factor === 1 ? 'as fast as it lasts' : `${factor} times too fast`}: ${slo.promise}.`,
    description: `The objective is that ${slo.promise}. {{ $value | humanizePercentage }} failed within ${long}.`,
    fires: slo.fires,
    quiet: slo.quiet,
  };
}

function errorRatio(window: string): string {
  return `slo:muster_error_ratio:rate${window}`;
}

function budgetOf({ objective }: Slo): number {
  return Number((1 - objective).toPrecision(6));
}
