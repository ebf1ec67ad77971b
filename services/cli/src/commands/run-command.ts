import { ApiProblem } from '@muster/api-client';
import type { ActionJson, BodyOf, CommandPlanJson, operations } from '@muster/api-contract';
import type { Command } from 'commander';
import type { Params } from '@muster/protocol';
import { getAction } from '../actions/catalogue.js';
import { commandText, parseParamWords } from '../actions/params.js';
import type { CommandEnv } from '../environment/command-env.js';
import { whyNobody } from '../labels/why-nobody.js';
import { CliError, usageError } from '../terminal/cli-error.js';
import { counted, LIST_OUTPUTS, parseOutput } from '../terminal/listing.js';
import type { Prompt } from '../terminal/terminal.js';
import { confirm, openPrompt } from './confirm.js';
import { submitAndReport } from './submit-and-report.js';
import { parseRollout } from './rollout.js';
import { checkTarget, readTarget, type Target, type TargetOptions } from './target.js';

interface RunOptions extends TargetOptions {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly wait?: boolean;
  readonly timeout?: string;
  readonly expires?: string;
  readonly rollout?: string;
  readonly reason?: string;
  readonly idempotencyKey?: string;
  readonly output: string;
}

type CommandBody = BodyOf<(typeof operations)['submitCommand']>;

/** Nobody waits for a day for the outcome of a dry run. */
const DRY_RUN_EXPIRES = '2m';

const HELP = `
Examples:
  muster run process.kill name=abc.exe --target os=windows --dry-run
  muster run service.restart name=nginx --target env=prod,role=web --rollout canary=1,step=10%,pause=30s,abort_over=5% --wait
  muster run agent.set_labels set=env=prod,tier=web --agents ID,ID
  muster query "SELECT pid, start_time, path FROM processes WHERE name = 'abc.exe'" -o ndjson | muster run process.kill --from - --wait

\`muster actions\` lists the actions, \`muster actions NAME\` shows the parameters of one.

Exit codes: 0 every target succeeded (without --wait: accepted), 1 error, 2 usage, 3 some targets did not succeed,
130 Ctrl-C (the watching ends, the command goes on), 141 the reader of the output has gone (likewise).`;

/** `muster run`: has endpoints carry out an action. */
export function addRunCommand(program: Command, env: CommandEnv): void {
  program
    .command('run')
    .description('Runs an action on endpoints: on those connected now, on the others when they return.')
    .argument('<action>', 'one of `muster actions`')
    .argument('[params...]', 'key=value')
    .option('-t, --target <selector>', "on these endpoints: os=linux,env in (prod,staging); '' is every one")
    .option('--agents <ids>', 'on these endpoints: ids, with commas')
    .option('-f, --from <file>', 'on exactly these rows of `muster query … -o ndjson`, "-" for standard input')
    .option('--query <id>', 'on exactly the rows of this query')
    .option('-y, --yes', 'do not ask')
    .option('-n, --dry-run', 'say what would be done, change nothing; waits for the answers')
    .option('-w, --wait', 'print each outcome as it comes, then the ledger')
    .option('--timeout <duration>', 'how long it may run on one endpoint: 90s, 10m')
    .option('--expires <duration>', 'how long it waits for endpoints that are away: 1h, 7d (default 24h; dry run 2m)')
    .option('--rollout <plan>', 'few at first, and stop when they fail: canary=1,step=10%,pause=30s,abort_over=5%')
    .option('--reason <text>', 'why; kept in the audit record')
    .option('--idempotency-key <key>', 'the same key never makes a second command')
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .addHelpText('after', HELP)
    .action(async (name: string, words: string[], options: RunOptions) => run(env, name, words, options));
}

async function run(env: CommandEnv, name: string, words: readonly string[], options: RunOptions): Promise<void> {
  const output = parseOutput(options.output, LIST_OUTPUTS);
  checkTarget(options);
  const rollout = options.rollout === undefined ? undefined : parseRollout(options.rollout);
  const dryRun = options.dryRun === true;
  // What is wrong with the order is said before a terminal is missed.
  const action = await getAction(env.client(), name);
  const params = parseParamWords(action, words);
  const target = await readTarget(action, options, env);
  const prompt = openPrompt(env.terminal, { yes: options.yes === true || dryRun, from: options.from });
  try {
    if (target.rows !== undefined && (await isNothing(env, target))) return;
    const expires = options.expires ?? (dryRun ? DRY_RUN_EXPIRES : undefined);
    const body: CommandBody = {
      action: action.name,
      params,
      target: target.spec,
      dryRun,
      ...(expires === undefined ? {} : { expiresIn: expires }),
      ...(options.timeout === undefined ? {} : { timeout: options.timeout }),
      ...(rollout === undefined ? {} : { rollout }),
      ...(options.reason === undefined ? {} : { reason: options.reason }),
    };
    if (prompt !== undefined) await askFirst(env, prompt, { action, params, body, target });
    await submitAndReport(env, (call) => env.client().call('POST /v1/commands', { ...call, body }), {
      output,
      watch: options.wait === true || dryRun,
      key: checkedKey(options.idempotencyKey),
    });
  } finally {
    prompt?.close();
  }
}

interface Submission {
  readonly action: ActionJson;
  readonly params: Params;
  readonly body: CommandBody;
  readonly target: Target;
}

/** Reports duplicate and missing rows; true when there is no row to act on. */
async function isNothing({ terminal }: CommandEnv, { rows = [], duplicates = 0 }: Target): Promise<boolean> {
  const { stderr } = terminal;
  if (duplicates > 0)
    await stderr.write(`${counted(duplicates, 'row')} came twice and count${duplicates === 1 ? 's' : ''} once\n`);
  if (rows.length > 0) return false;
  await stderr.write('there are no rows, so there is nothing to do\n');
  return true;
}

async function askFirst(env: CommandEnv, prompt: Prompt, { action, params, body, target }: Submission): Promise<void> {
  const plan = await planOf(env, body);
  const { summary, destructive, reversible } = action;
  const intent = {
    command: commandText(action.name, params),
    summary,
    destructive,
    reversible,
    target: target.text,
    rows: target.rows,
  };
  await confirm(prompt, intent, plan);
}

async function planOf(env: CommandEnv, body: CommandBody): Promise<CommandPlanJson> {
  try {
    return await env.client().call('POST /v1/commands/plan', { body });
  } catch (error) {
    const selector = 'selector' in body.target ? (body.target.selector ?? '') : '';
    if (!(error instanceof ApiProblem) || error.code !== 'no_targets' || selector === '') throw error;
    const fault = env.cliError(error);
    const why = await whyNobody(env.client(), selector);
    throw why !== undefined && fault instanceof CliError ? fault.withHint(why) : fault;
  }
}

function checkedKey(key: string | undefined): string | undefined {
  if (key !== undefined && !/^[\x21-\x7e]{1,200}$/.test(key))
    throw usageError('--idempotency-key takes up to 200 printable characters without a space');
  return key;
}
