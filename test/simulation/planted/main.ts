import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PLANTED } from './faults.js';

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));
const SEARCH = fileURLToPath(new URL('../exhaustive/main.js', import.meta.url));
const PLANT = fileURLToPath(new URL('./plant.js', import.meta.url));
const histories = process.argv[2] ?? '2000';
const only = process.argv[3];

/** `npm run simulate:planted`: each fault of the list is put into the real code, and must be found. */
let missed = 0;
for (const [index, { name, isHandOver }] of PLANTED.entries()) {
  if (only !== undefined && !name.includes(only)) continue;
  const program = isHandOver === true ? [SEARCH] : [MAIN, '--seed', '1', '--histories', histories, '--no-shrink'];
  const args = ['--import', PLANT, ...program];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    env: { ...process.env, MUSTER_PLANTED_FAULT: String(index) },
    encoding: 'utf8',
  });
  const seed = isHandOver === true ? 'all' : /^seed (\d+)$/m.exec(stdout)?.[1];
  const property = /^NOT TRUE: (.*)$/m.exec(stdout)?.[1];
  if (status === 0) missed += 1;
  console.log(
    `${status === 0 ? 'NOT FOUND' : `seed ${seed ?? '?'}`}: ${name}${property === undefined ? '' : ` (${property})`}`,
  );
  if (status !== 0 && seed === undefined) console.log(stderr);
}
process.exitCode = missed > 0 ? 1 : 0;
