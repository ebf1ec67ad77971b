import { randomUUID } from 'node:crypto';
import type { ModeRequestedJson } from '@muster/api-contract';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { agree } from '../commands/confirm.js';
import { readAgentList } from '../environment/agent-list.js';
import { EXIT, usageError } from '../terminal/cli-error.js';
import { escapedLines, safeJson } from '../terminal/escape.js';
import { counted, numberText, parseOutput } from '../terminal/listing.js';
import { reachOf, reachText, type ModeTarget, type Reach } from './mode-reach.js';

const MODES = ['live', 'poll', 'default'] as const;
type Mode = (typeof MODES)[number];

interface ModeOptions {
  readonly target?: string;
  readonly agents?: string;
  readonly interval?: string;
  readonly for?: string;
  readonly reason?: string;
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly output: string;
}

/** A mode override as the API takes it. */
type ModeRequest = ModeTarget & {
  readonly mode: Mode;
  readonly interval?: string;
  readonly for?: string;
  readonly reason?: string;
};

const HELP = `
Examples:
  muster mode live --target env=prod --for 2h --reason "incident 4711"
  muster mode poll --target site=branch --interval 5m
  muster mode default --target ''

The mode applies until it is replaced, until its time is over, or until \`default\` withdraws it; then the policy of the gateways applies.
\`muster agents -o wide\` shows what was set, and which agents cannot have a WebSocket although they are to use one.

Exit codes: 0 done, 1 error (some of it may have been done; the message says how many), 2 usage.`;

/** `muster mode`: which channel agents use. */
export function addModeCommand(program: Command, env: CommandEnv): void {
  program
    .command('mode')
    .description('Sets which channel endpoints use: Live (a WebSocket, at once) or Poll (HTTPS, now and then).')
    .argument('<mode>', `${MODES.join(', ')}: as the policy of the gateways says`)
    .option('-t, --target <selector>', "these endpoints: site=branch,mode=live; '' is every one")
    .option('--id, --agents <ids>', 'these endpoints: ids, with commas')
    .option('--interval <duration>', 'between two polls, whenever they poll: 1s to 24h')
    .option('--for <duration>', 'only for so long: 30m, 2h; then the policy of the gateways applies')
    .option('--reason <text>', 'why; kept in the audit record')
    .option('-y, --yes', 'do not ask')
    .option('-n, --dry-run', 'say how many would hear of it when, and change nothing')
    .option('-o, --output <form>', 'table|json', 'table')
    .addHelpText('after', HELP)
    .action(async (mode: string, options: ModeOptions) => run(env, await readRequest(env, mode, options), options));
}

async function run(env: CommandEnv, request: ModeRequest, options: ModeOptions): Promise<void> {
  const output = parseOutput(options.output, ['table', 'json']);
  const { yes = false, dryRun = false } = options;
  const { stdout, stderr } = env.terminal;
  if (dryRun) {
    const reach = await reachOf(env.client(), request);
    return stdout.write(output === 'json' ? `${safeJson(reach)}\n` : escapedLines(describe(request, options, reach)));
  }
  // The same command can undo it, so scripts need no --yes.
  const prompt = yes ? undefined : env.terminal.openPrompt('input');
  try {
    if (prompt !== undefined) {
      const reach = await reachOf(env.client(), request);
      if (reach.matched === 0) return await stderr.write(NOBODY);
      await agree(prompt, describe(request, options, reach));
    }
    const call = { body: request, idempotencyKey: randomUUID() };
    const result = await env.client().call('POST /v1/agents/mode', call);
    await stderr.write(result.matched === 0 ? NOBODY : escapedLines(resultLines(result)));
    if (output === 'json') await stdout.write(`${safeJson(result)}\n`);
    if (result.failed > 0) env.exit(EXIT.error);
  } finally {
    prompt?.close();
  }
}

const NOBODY = 'No endpoint matches, so there is nothing to order.\n';

/** @throws CliError with what is wrong in the options */
async function readRequest(env: CommandEnv, text: string, options: ModeOptions): Promise<ModeRequest> {
  const { interval, for: lease, reason } = options;
  const mode = MODES.find((one) => one === text);
  if (mode === undefined) throw usageError(`"${text}" is not a mode`, `it is one of ${MODES.join(', ')}`);
  checkTarget(options);
  for (const [name, duration] of Object.entries({ interval, for: lease })) {
    if (duration === undefined) continue;
    if (mode === 'default')
      throw usageError(`--${name} is for live and poll; with default the policy of the gateways counts`);
    if (!/^\d+(\.\d+)?(ms|s|m|h|d)$/.test(duration))
      throw usageError(`--${name} takes a duration such as 90s, 15m or 2h, not "${duration}"`);
  }
  return {
    ...(await readTarget(env, options)),
    mode,
    ...(interval === undefined ? {} : { interval }),
    ...(lease === undefined ? {} : { for: lease }),
    ...(reason === undefined ? {} : { reason }),
  };
}

function checkTarget({ target, agents }: ModeOptions): void {
  if ((target === undefined) === (agents === undefined))
    throw usageError(
      target === undefined
        ? 'say for which endpoints: --target SELECTOR or --agents ID,…'
        : 'only one of --target and --agents can say for which endpoints',
      target === undefined ? "--target '' is every endpoint" : undefined,
    );
}

async function readTarget(env: CommandEnv, { target, agents }: ModeOptions): Promise<ModeTarget> {
  if (target !== undefined) return { selector: target };
  return { agentIds: await readAgentList(env, agents ?? '') };
}

/** What would happen. */
function describe(request: ModeRequest, { target, reason }: ModeOptions, reach: Reach & { matched: number }): string[] {
  const { mode, interval, for: lease } = request;
  const what = { live: 'use Live', poll: 'poll', default: 'do as the policy of the gateways says' }[mode];
  const often =
    interval === undefined
      ? ''
      : mode === 'live'
        ? `, and poll every ${interval} where that fails`
        : ` every ${interval}`;
  const whom = target === undefined ? '' : ` (${target === '' ? 'every one' : target})`;
  return [
    `${counted(reach.matched, 'endpoint')}${whom}: ${what}${often}${lease === undefined ? '' : `, for ${lease}`}`,
    ...(reach.matched === 0 ? [] : [`They hear of it: ${reachText(reach, Date.now())}.`]),
    ...(reason === undefined ? [] : [`Reason: ${reason}`]),
  ];
}

function resultLines({ matched, changed, unchanged, failed, connected }: ModeRequestedJson): string[] {
  const counts = [
    `${numberText(changed)} changed`,
    ...(unchanged > 0 ? [`${numberText(unchanged)} were so already`] : []),
    ...(failed > 0 ? [`${numberText(failed)} failed (the same again changes nothing twice)`] : []),
  ];
  return [
    `${counted(matched, 'endpoint')}: ${counts.join(', ')}`,
    ...(changed > 0 ? [`They hear of it: ${reachText(connected, Date.now())}.`] : []),
  ];
}
