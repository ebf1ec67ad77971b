import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { clusterFiles, generatedFiles, RUNBOOK } from './generate.js';

/** `npm run dashboards [-- --runbook URL]`: writes dashboards, rules and their tests. */
const { values } = parseArgs({ options: { runbook: { type: 'string', default: RUNBOOK } } });
for (const [path, text] of [...generatedFiles(values.runbook), ...clusterFiles(values.runbook)]) {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, text);
}
