import type { Command } from 'commander';
import type { CommandEnv } from '../command-env.js';
import { EXIT, usageError } from '../exit-codes.js';
import { safeJson } from '../output/escape.js';
import { LIST_OUTPUTS, parseOutput, type ListOutput } from '../output/listing.js';
import { ProgressLine } from '../output/progress-line.js';
import { styleFor } from '../output/table.js';
import { exitCodeOf, renderSummary } from '../query/summary.js';
import type { EndpointsJson, FleetJson } from './bandwidth-json.js';
import { renderEndpoints, renderFleet, type Paper } from './render.js';
import { FOR_PEOPLE, FOR_PROGRAMS } from './units.js';

interface BandwidthOptions {
  readonly target?: string;
  readonly top?: string;
  readonly timeout?: string;
  readonly output: string;
}

const HELP = `
Examples:
  muster bandwidth
  muster bandwidth --target site=branch --top 20
  muster bandwidth --target '' --timeout 90s -o json

Without --target the gateways say what they have carried. With it, endpoints are asked what went through their sockets, TLS and HTTP with it.
Up is from endpoints, down is to them.

Exit codes: 0 all answered, 1 error, 2 usage, 3 some gateways or endpoints did not answer (they are named).`;

/** Longer than any endpoint may take. */
const PATIENCE_MS = 11 * 60_000;
const TOP = 10;

/** `muster bandwidth`: what Live and Poll cost on the wire. */
export function addBandwidthCommand(program: Command, env: CommandEnv): void {
  program
    .command('bandwidth')
    .description(
      'Bytes on the wire, Live against Poll: of the fleet as the gateways count them, or of endpoints as they do.',
    )
    .option('-t, --target <selector>', "ask these endpoints: site=branch,mode=live; '' is every one")
    .option('--top <n>', `with --target: how many endpoints to show, those with the most bytes first (default ${TOP})`)
    .option('--timeout <duration>', 'with --target: how long endpoints may take: 1s to 10m (default 10s)')
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .addHelpText('after', HELP)
    .action(async ({ target, top, timeout, output }: BandwidthOptions) => {
      const form = parseOutput(output, LIST_OUTPUTS);
      if (target !== undefined) return showEndpoints(env, form, { selector: target, top: parseTop(top), timeout });
      if (top !== undefined || timeout !== undefined)
        throw usageError('--top and --timeout are for endpoints', "say which: --target SELECTOR; '' is every one");
      return showFleet(env, form);
    });
}

async function showFleet(env: CommandEnv, form: ListOutput): Promise<void> {
  const answer = await env.client().json<FleetJson>('/v1/bandwidth');
  const text =
    form === 'json'
      ? `${safeJson(answer)}\n`
      : form === 'ndjson'
        ? lines(answer.gateways)
        : renderFleet(answer, paperOf(env));
  await env.terminal.stdout.write(text);
  const { asked, answered } = answer.fleet.gateways;
  env.exit(answered < asked ? EXIT.partial : EXIT.complete);
}

async function showEndpoints(
  env: CommandEnv,
  form: ListOutput,
  query: { readonly selector: string; readonly top: number; readonly timeout: string | undefined },
): Promise<void> {
  const { stdout, stderr, env: variables } = env.terminal;
  const style = styleFor(stderr.isTTY, variables);
  const line = new ProgressLine(stderr, style, 'asking');
  let answer: EndpointsJson;
  try {
    answer = await env
      .client()
      .json<EndpointsJson>('/v1/bandwidth/endpoints', { query: { ...query }, patienceMs: PATIENCE_MS });
  } finally {
    line.end();
  }
  const text =
    form === 'json'
      ? `${safeJson(answer)}\n`
      : form === 'ndjson'
        ? lines(answer.endpoints)
        : renderEndpoints(answer, paperOf(env));
  await stdout.write(text);
  await stderr.write(renderSummary(answer.query, answer.missing, style, stderr.columns));
  env.exit(exitCodeOf(answer.query));
}

function paperOf({ terminal: { stdout, env } }: CommandEnv): Paper {
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
