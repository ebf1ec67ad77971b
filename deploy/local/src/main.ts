import { parseRunOptions, USAGE } from './run/run-options.js';
import { runLocal } from './run/run-local.js';

const parsed = parseRunOptions(process.argv.slice(2), process.env, process.cwd());
if (parsed.kind === 'help') {
  console.log(USAGE);
} else if (parsed.kind === 'fault') {
  console.error(`${parsed.message}\n\n${USAGE}`);
  process.exitCode = 2;
} else {
  process.exitCode = await runLocal(parsed.options);
}
