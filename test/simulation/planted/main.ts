import { PLANTED } from './faults.js';
import { searchFault } from './search-fault.js';

const histories = process.argv[2] ?? '2000';
const only = process.argv[3];
const options = ['--seed', '1', '--histories', histories, '--no-shrink'];

/** `npm run simulate:planted`: each fault of the list is put into the real code, and must be found. */
for (const [index, { name, isHandOver = false }] of PLANTED.entries()) {
  if (only !== undefined && !name.includes(only)) continue;
  const finding = searchFault({ index, isHandOver, options });
  if (finding.kind !== 'found') process.exitCode = 1;
  if (finding.kind === 'found') console.log(`seed ${finding.where}: ${name} (${finding.property})`);
  else if (finding.kind === 'missed') console.log(`NOT FOUND: ${name}`);
  else console.log(`FAILED: ${name}: ${finding.why}`);
}
