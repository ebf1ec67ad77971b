import { runCli } from './run.js';
import { processTerminal } from './terminal/terminal.js';

// The first process of a container ignores signals that it does not handle.
process.once('SIGTERM', () => process.exit(143));
process.exitCode = await runCli(
  process.argv.slice(2),
  processTerminal(process.env, (zone) => (process.env['TZ'] = zone)),
);
