import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { EXIT, usageError, type ExitCode } from '../terminal/cli-error.js';
import { safeJson } from '../terminal/escape.js';
import { LIST_OUTPUTS, parseLimit, parseOutput, type ListOutput } from '../terminal/listing.js';
import { styleFor } from '../terminal/table.js';
import { missingText } from '../top/fleet/fleet-top.js';
import { listUnwell, type UnwellList } from './unwell-list.js';
import { renderUnwell } from './render.js';
import { watchHealth } from './watch.js';

interface HealthOptions {
  readonly target?: string;
  readonly limit?: string;
  readonly watch?: boolean;
  readonly output: string;
}

const HELP = `
Examples:
  muster health
  muster health --target env=prod
  muster health --watch                          # and every change from now on, until Ctrl-C
  muster health -o json | jq '.counts, .unknown'

The rules and their thresholds are those of the telemetry service's health policy.

Endpoints that send no samples are counted as unknown (\`unknown\` of json; absent where that is not known). They do
not change the exit code.

Exit codes: 0 done, 1 error, 2 usage, 3 partitions of the fleet did not answer, 130 Ctrl-C.`;

const USUAL_LIMIT = 200;

/** `muster health`: how many endpoints are well, and which are not. */
export function addHealthCommand(program: Command, env: CommandEnv): void {
  program
    .command('health')
    .description(
      'How many endpoints are well, and which are not: by what rule, since when. With --watch every change, too.',
    )
    .option('-t, --target <selector>', 'only these endpoints')
    .option(
      '--limit <n>',
      `how many that are not well to list (default: a table has ${USUAL_LIMIT}, other forms have all)`,
    )
    .option('--watch', 'go on with every change as it happens')
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .addHelpText('after', HELP)
    .action(async ({ target: selector = '', limit, watch = false, output }: HealthOptions) => {
      const form = parseOutput(output, LIST_OUTPUTS);
      if (watch && form === 'json') throw usageError('json is one document, and changes go on coming', 'say -o ndjson');
      const most = limit !== undefined ? parseLimit(limit) : form === 'table' || watch ? USUAL_LIMIT : Infinity;
      const list = (signal?: AbortSignal): Promise<UnwellList> => listUnwell(env.client(), { selector, most, signal });
      if (watch)
        return env.exit(await watchHealth(env, { selector, list, output: form === 'ndjson' ? form : 'table' }));
      env.exit(await printUnwell(env, await list(), form));
    });
}

async function printUnwell(env: CommandEnv, found: UnwellList, output: ListOutput): Promise<ExitCode> {
  const { stdout, stderr, env: variables } = env.terminal;
  const { items, partitions } = found;
  const text =
    output === 'json'
      ? `${safeJson(found)}\n`
      : output === 'ndjson'
        ? items.map((item) => `${safeJson(item)}\n`).join('')
        : renderUnwell(found, { width: stdout.columns, style: styleFor(stdout.isTTY, variables), nowMs: Date.now() });
  await stdout.write(text);
  const missing = missingText(partitions);
  if (missing === undefined) return EXIT.complete;
  await stderr.write(`${missing}\n`);
  return EXIT.partial;
}
