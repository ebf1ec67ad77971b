import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { EXIT, usageError } from '../terminal/cli-error.js';
import { safeJson } from '../terminal/escape.js';
import { LIST_OUTPUTS, parseOutput, type ListOutput } from '../terminal/listing.js';
import { ProgressLine } from '../terminal/progress-line.js';
import { styleFor } from '../terminal/table.js';
import { exitCodeOf, renderSummary } from '../query/summary.js';
import { ApiProblem } from '@muster/api-client';
import type { EndpointsBandwidthJson, FleetBandwidthJson } from '@muster/api-contract';
import { renderEndpoints, renderFleet, type RenderOptions } from './render.js';
import { FOR_PEOPLE, FOR_PROGRAMS } from './units.js';

interface BandwidthOptions {
  readonly target?: string;
  readonly top?: string;
  readonly timeout?: string;
  readonly ask: boolean;
  readonly output: string;
}

const HELP = `
Examples:
  muster bandwidth
  muster bandwidth --target site=branch --top 20
  muster bandwidth --target '' --timeout 90s -o json

Endpoints are asked what went through their sockets, TLS, HTTP and WebSocket with it; those that poll need their interval to answer. Without
--target the gateways say too what they have carried, by channel in frames alone; that is for admins of the platform. Up is from endpoints, down is to them.

Exit codes: 0 all answered, 1 error, 2 usage, 3 some gateways or endpoints did not answer (they are named).`;

/** Longer than the longest timeout for endpoints. */
const TIMEOUT_MS = 11 * 60_000;
const TOP = 10;

/** `muster bandwidth`: the bytes that Live and Poll use on the wire. */
export function addBandwidthCommand(program: Command, env: CommandEnv): void {
  program
    .command('bandwidth')
    .description(
      'Bytes on the wire, Live against Poll: as all endpoints and the gateways count them, or for the endpoints of a target.',
    )
    .option('-t, --target <selector>', "ask these endpoints: site=branch,mode=live; '' is every one")
    .option('--top <n>', `with --target: how many endpoints to show, those with the most bytes first (default ${TOP})`)
    .option('--timeout <duration>', 'how long endpoints may take: 1s to 10m (default 10s)')
    .option('--no-ask', 'ask no endpoint: the counters of the gateways alone')
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .addHelpText('after', HELP)
    .action(async ({ target, top, timeout, ask, output }: BandwidthOptions) => {
      const form = parseOutput(output, LIST_OUTPUTS);
      if (!ask && (target !== undefined || timeout !== undefined))
        throw usageError('--no-ask asks no endpoint: --target and --timeout do not go with it');
      if (target !== undefined) return showEndpoints(env, form, { selector: target, top: parseTop(top), timeout });
      if (top !== undefined)
        throw usageError('--top is for endpoints', "say which: --target SELECTOR; '' is every one");
      // With ndjson only gateways are printed, so no endpoint is asked.
      return showFleet(env, form, ask && form !== 'ndjson' ? { timeout } : { ask: 'false' });
    });
}

async function showFleet(
  env: CommandEnv,
  form: ListOutput,
  query: { readonly timeout: string | undefined } | { readonly ask: 'false' },
): Promise<void> {
  let answer: FleetBandwidthJson;
  try {
    answer = await whileAsking(env, env.client().call('GET /v1/bandwidth', { query, timeoutMs: TIMEOUT_MS }));
  } catch (error) {
    if (!isForPlatformAdmins(error) || 'ask' in query) throw error;
    await env.terminal.stderr.write('What gateways count is for admins of the platform; here are your endpoints.\n');
    return showEndpoints(env, form, { selector: '', top: TOP, ...query });
  }
  const text =
    form === 'json'
      ? `${safeJson(answer)}\n`
      : form === 'ndjson'
        ? lines(answer.gateways)
        : renderFleet(answer, renderOptions(env));
  await env.terminal.stdout.write(text);
  const { endpoints } = answer;
  if (endpoints !== undefined) await writeSummary(env, endpoints);
  const { asked, answered, inDoubt } = answer.fleet.gateways;
  if (answered < asked || inDoubt === true) env.exit(EXIT.partial);
  else env.exit(endpoints === undefined ? EXIT.complete : exitCodeOf(endpoints.query));
}

/** Gateways do not count by org, so the API tells others nothing of it. */
function isForPlatformAdmins(error: unknown): boolean {
  return error instanceof ApiProblem && error.code === 'forbidden' && error.problem['platform'] === true;
}

async function showEndpoints(
  env: CommandEnv,
  form: ListOutput,
  query: { readonly selector: string; readonly top: number; readonly timeout: string | undefined },
): Promise<void> {
  const call = env.client().call('GET /v1/bandwidth/endpoints', { query, timeoutMs: TIMEOUT_MS });
  const answer = await whileAsking(env, call);
  const text =
    form === 'json'
      ? `${safeJson(answer)}\n`
      : form === 'ndjson'
        ? lines(answer.endpoints)
        : renderEndpoints(answer, renderOptions(env));
  await env.terminal.stdout.write(text);
  await writeSummary(env, answer);
  env.exit(exitCodeOf(answer.query));
}

/** The API answers once endpoints have answered, or their time is over. */
async function whileAsking<T>({ terminal: { stderr, env: variables } }: CommandEnv, answer: Promise<T>): Promise<T> {
  const line = new ProgressLine(stderr, styleFor(stderr.isTTY, variables), 'asking');
  try {
    return await answer;
  } finally {
    line.end();
  }
}

async function writeSummary(
  { terminal: { stderr, env } }: CommandEnv,
  { query, missing }: EndpointsBandwidthJson,
): Promise<void> {
  await stderr.write(
    renderSummary(query, { failures: missing, warnings: [] }, styleFor(stderr.isTTY, env), stderr.columns),
  );
}

function renderOptions({ terminal: { stdout, env } }: CommandEnv): RenderOptions {
  const units = stdout.isTTY ? FOR_PEOPLE : FOR_PROGRAMS;
  return { style: styleFor(stdout.isTTY, env), width: stdout.columns, units };
}

function lines(items: readonly unknown[]): string {
  return items.map((item) => `${safeJson(item)}\n`).join('');
}

function parseTop(text: string | undefined): number {
  if (text === undefined) return TOP;
  const top = Number(text);
  if (!Number.isInteger(top) || top < 1 || top > 1_000) throw usageError(`--top must be 1 to 1000, not "${text}"`);
  return top;
}
