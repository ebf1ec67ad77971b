import { join, parse } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dashboard } from './build/dashboard.js';
import { ruleFile, ruleTestFile } from './build/rule-files.js';
import { DASHBOARDS } from './dashboards/index.js';
import { RULE_GROUPS } from './rules/index.js';

const FOLDER = fileURLToPath(new URL('../', import.meta.url));
/** The same dashboards and rules for a cluster: kustomize reads nothing from outside of its folder. */
const CLUSTER = fileURLToPath(new URL('../../../k8s/components/', import.meta.url));
/** Where sections of the runbook are, unless an installation has it elsewhere. */
export const RUNBOOK = 'docs/operations.md';

/** Path → text of the dashboards, rules and rule tests that this package makes. */
export function generatedFiles(runbookBase = RUNBOOK): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const spec of DASHBOARDS) {
    const json = JSON.stringify(dashboard(spec, runbookBase), null, 2);
    files.set(join(FOLDER, 'grafana/dashboards', `${spec.name}.json`), `${json}\n`);
  }
  for (const group of RULE_GROUPS) {
    const rules = ruleFile(group, runbookBase);
    files.set(join(FOLDER, 'prometheus/rules', `${group.name}.yaml`), rules);
    files.set(join(FOLDER, 'prometheus/tests', `${group.name}.yaml`), ruleTestFile(group));
  }
  return files;
}

/** Path → text of the same dashboards and rules as a cluster has them. */
export function clusterFiles(runbookBase = RUNBOOK): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const [path, text] of generatedFiles(runbookBase)) {
    const { base, name, dir } = parse(path);
    if (dir.endsWith('dashboards')) files.set(join(CLUSTER, 'grafana/dashboards', base), text);
    if (dir.endsWith('rules')) files.set(join(CLUSTER, 'prometheus-operator/rules', base), prometheusRule(name, text));
  }
  return files;
}

/** A file of rules as a resource of the Prometheus operator. */
function prometheusRule(name: string, rules: string): string {
  const [comment = '', ...lines] = rules.trimEnd().split('\n');
  const indented = lines.map((line) => (line === '' ? '' : `  ${line}`));
  const head = [
    'apiVersion: monitoring.coreos.com/v1',
    'kind: PrometheusRule',
    'metadata:',
    `  name: muster-${name}`,
    'spec:',
  ];
  return [comment, ...head, ...indented, ''].join('\n');
}
