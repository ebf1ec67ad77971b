import type { Command } from 'commander';
import { findAgent } from '../environment/find-agent.js';
import type { CommandEnv } from '../environment/command-env.js';
import { EXIT, usageError, type ExitCode } from '../terminal/cli-error.js';
import { safeJson } from '../terminal/escape.js';
import { LIST_OUTPUTS, parseLimit, parseOutput, type ListOutput } from '../terminal/listing.js';
import { styleFor } from '../terminal/table.js';
import type { EndpointFacts } from './endpoint/endpoint-state.js';
import { EndpointView } from './endpoint/endpoint-view.js';
import { printEndpoint } from './endpoint/print-endpoint.js';
import { fleetTable, missingText, parseBy } from './fleet/fleet-top.js';
import { FleetView, type FleetOptions } from './fleet/fleet-view.js';
import { showView } from '../view/view-loop.js';

interface TopOptions {
  readonly by?: string;
  readonly limit?: string;
  readonly target?: string;
  readonly past?: string;
  readonly once?: boolean;
  readonly output: string;
}

const HELP = `
Examples:
  muster top                                     # the fleet, by cpu; Enter opens an endpoint
  muster top --by memory --target env=prod
  muster top web-1                               # one endpoint, live
  muster top web-1 -o ndjson --past 10m | jq .cpu
  muster top --once --by disk --limit 5 -o json

On a terminal the view stays until q, and ? shows its keys. In a pipe, with --once, and where the terminal cannot move its cursor (TERM=dumb) it
prints: the fleet once, an endpoint as one line for each sample.

Exit codes: 0 left or printed, 1 error, 2 usage, 3 part of the fleet is not known, or the endpoint is not connected (--once), 130 Ctrl-C.`;

const PRINTED_ROWS = 20;

/** `muster top`: who has the most of something now, and what one endpoint does. */
export function addTopCommand(program: Command, env: CommandEnv): void {
  program
    .command('top [endpoint]')
    .description(
      'The endpoints with the most of something now, or one endpoint live: its last ten minutes, and every second.',
    )
    .option('--by <vital>', 'the fleet by cpu, memory, disk, load, disk_io or network (default cpu)')
    .option('--limit <n>', `how many of the fleet (default: the screen, printed ${PRINTED_ROWS})`)
    .option('-t, --target <selector>', 'only these of the fleet')
    .option('--past <duration>', 'one endpoint, printed: begin so far back, 10m at most')
    .option('--once', 'print once, and end')
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .addHelpText('after', HELP)
    .action(async (endpoint: string | undefined, options: TopOptions) => {
      const output = parseOutput(options.output, LIST_OUTPUTS);
      env.exit(endpoint === undefined ? await fleet(env, options, output) : await one(env, endpoint, options, output));
    });
}

async function one(env: CommandEnv, name: string, options: TopOptions, output: ListOutput): Promise<ExitCode> {
  const { by, limit, target, once = false, past } = options;
  if (by !== undefined || limit !== undefined || target !== undefined)
    throw usageError('--by, --limit and --target are for the fleet', 'leave out the endpoint, or these');
  if (output === 'json' && !once)
    throw usageError('json is one document, and samples go on coming', 'say -o ndjson, or --once');
  const agent = await findAgent(env.client(), name);
  const shown = output === 'table' && !once && past === undefined ? await showEndpoint(env, agent) : undefined;
  return shown ?? printEndpoint(env, agent, { output, once, past });
}

/** Undefined when the terminal cannot show it. */
async function showEndpoint(env: CommandEnv, agent: EndpointFacts): Promise<ExitCode | undefined> {
  const ended = await showView(env.terminal, new EndpointView(env, agent));
  return ended === undefined ? undefined : ended === 'left' ? EXIT.complete : EXIT.interrupted;
}

async function fleet(env: CommandEnv, options: TopOptions, output: ListOutput): Promise<ExitCode> {
  const { target: selector = '', once = false } = options;
  if (options.past !== undefined) throw usageError('--past is for one endpoint', 'name it: muster top NAME --past 10m');
  const limit = options.limit === undefined ? undefined : parseLimit(options.limit);
  const chosen = { by: parseBy(options.by ?? 'cpu'), selector, limit };
  const shown = output === 'table' && !once ? await showFleet(env, chosen) : undefined;
  return shown ?? printFleet(env, chosen, output);
}

async function showFleet(env: CommandEnv, options: FleetOptions): Promise<ExitCode | undefined> {
  const view = new FleetView(env, options);
  for (;;) {
    const ended = await showView(env.terminal, view);
    if (ended === undefined) return undefined;
    if (ended === 'interrupted') return EXIT.interrupted;
    if (view.chosen === undefined) return EXIT.complete;
    const agent = await env.client().call('GET /v1/agents/{id}', { params: { id: view.chosen.agentId } });
    if ((await showEndpoint(env, agent)) === EXIT.interrupted) return EXIT.interrupted;
  }
}

async function printFleet(
  env: CommandEnv,
  { by, selector, limit }: FleetOptions,
  output: ListOutput,
): Promise<ExitCode> {
  const { stdout, stderr, env: variables } = env.terminal;
  const query = { by, selector, limit: limit ?? PRINTED_ROWS };
  const top = await env.client().call('GET /v1/fleet/top', { query });
  const text =
    output === 'json'
      ? `${safeJson(top)}\n`
      : output === 'ndjson'
        ? top.items.map((item) => `${safeJson(item)}\n`).join('')
        : fleetTable(top, stdout.columns, styleFor(stdout.isTTY, variables));
  await stdout.write(text);
  const missing = missingText(top.partitions);
  if (missing !== undefined) await stderr.write(`${missing}\n`);
  else if (top.items.length === 0)
    await stderr.write(top.endpoints === 0 ? 'No endpoint matches.\n' : `No endpoint tells its ${by}.\n`);
  return missing === undefined ? EXIT.complete : EXIT.partial;
}
