import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { dashboard } from './build/dashboard.js';
import { ruleFile, ruleTestFile } from './build/rule-files.js';
import { DASHBOARDS } from './dashboards/index.js';
import { RULE_GROUPS } from './rules/index.js';

const FOLDER = fileURLToPath(new URL('../', import.meta.url));
/** Where sections of the runbook are, unless an installation has it elsewhere. */
export const RUNBOOK = 'docs/operations.md';

/** Path → text of every file that is made from this package. */
export function generatedFiles(runbookBase = RUNBOOK): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  for (const spec of DASHBOARDS) {
    const json = JSON.stringify(dashboard(spec, runbookBase), null, 2);
    files.set(join(FOLDER, 'grafana/dashboards', `${spec.name}.json`), `${json}\n`);
  }
  for (const group of RULE_GROUPS) {
    files.set(join(FOLDER, 'prometheus/rules', `${group.name}.yaml`), ruleFile(group, runbookBase));
    files.set(join(FOLDER, 'prometheus/tests', `${group.name}.yaml`), ruleTestFile(group));
  }
  return files;
}
