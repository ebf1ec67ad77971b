import { stringify } from 'yaml';
import { isAlert, type AlertRule, type RuleCase, type RuleGroup } from './rule.js';
import { runbookUrl } from './runbook.js';

const NOTE = ' Made by `npm run dashboards`; change deploy/observability/src/rules.\n';
const YAML = { lineWidth: 140, blockQuote: 'literal' as const, commentString: (text: string) => `#${text}` };

/** A group as a rule file of Prometheus. */
export function ruleFile(group: RuleGroup, runbookBase: string): string {
  const rules = group.rules.map((rule) => {
    const { expr } = rule;
    if (!isAlert(rule)) return { record: rule.record, expr, ...(rule.labels ? { labels: rule.labels } : {}) };
    return {
      alert: rule.alert,
      expr,
      ...(rule.for === undefined ? {} : { for: rule.for }),
      labels: { severity: rule.severity, ...rule.labels },
      annotations: {
        summary: rule.summary,
        description: rule.description,
        runbook_url: runbookUrl(runbookBase, rule.alert),
      },
    };
  });
  return `#${NOTE}${stringify({ groups: [{ name: `muster-${group.name}`, interval: group.interval ?? '1m', rules }] }, YAML)}`;
}

/** The cases of a group for `promtool test rules`. Rules with the same series share a case: each one evaluates the whole group. */
export function ruleTestFile(group: RuleGroup): string {
  const tests = new Map<string, RuleTest>();
  const add = (rule: AlertRule, { series, at }: RuleCase, samples: readonly Sample[]): void => {
    const key = JSON.stringify(series);
    const test = tests.get(key) ?? {
      interval: '1m',
      input_series: Object.entries(series).map(([one, values]) => ({ series: one, values })),
      promql_expr_test: [],
    };
    test.promql_expr_test.push({ expr: firing(rule), eval_time: at, exp_samples: samples });
    tests.set(key, test);
  };
  for (const rule of group.rules.filter(isAlert)) {
    add(rule, rule.fires, [{ labels: '{}', value: 1 }]);
    add(rule, rule.quiet, []);
  }
  const file = { rule_files: [`../rules/${group.name}.yaml`], evaluation_interval: '1m', tests: [...tests.values()] };
  return `#${NOTE}${stringify(file, YAML)}`;
}

interface RuleTest {
  readonly interval: string;
  readonly input_series: readonly { readonly series: string; readonly values: string }[];
  readonly promql_expr_test: { expr: string; eval_time: string; exp_samples: readonly Sample[] }[];
}

interface Sample {
  readonly labels: string;
  readonly value: number;
}

/** Exactly one rule: alerts that share a name differ in their labels. */
function firing({ alert, severity, labels = {} }: AlertRule): string {
  const all = Object.entries({ alertname: alert, alertstate: 'firing', severity, ...labels });
  return `min(ALERTS{${all.map(([label, value]) => `${label}="${value}"`).join(',')}})`;
}
