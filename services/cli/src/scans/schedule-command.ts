import { randomUUID } from 'node:crypto';
import type { BodyOf, operations, ScheduleJson } from '@muster/api-contract';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { wholeId } from '../environment/short-ids.js';
import { escapeControls, safeJson } from '../terminal/escape.js';
import { LIST_OUTPUTS, parseOutput, printList, renderFacts } from '../terminal/listing.js';
import { shortTime } from '../terminal/time-text.js';
import { parseDetail } from './scan-options.js';

const HELP = `
Examples:
  muster schedule create nightly --pack linux-baseline --cron '0 2 * * *' --tz Europe/Berlin --jitter 30m --target os=linux
  muster schedule pause schk2v && muster schedule resume schk2v

A schedule goes on when the token of who made it ends. Each moment starts one scan, however many posture services run; one that nobody could start within
ten minutes is "missed", and not made up for.`;

interface CreateOptions {
  readonly pack: string;
  readonly cron: string;
  readonly tz?: string;
  readonly target?: string;
  readonly jitter?: string;
  readonly timeout?: string;
  readonly wait?: string;
  readonly detail?: string;
  readonly output: string;
}

/** `muster schedule`: scans that start by themselves. */
export function addScheduleCommand(program: Command, env: CommandEnv): void {
  const schedule = program
    .command('schedule')
    .description('Scans that start by themselves: list, create, show, pause, resume, change, delete.')
    .addHelpText('after', HELP);
  addList(schedule, env);
  addCreate(schedule, env);
  schedule
    .command('show <id>')
    .description('Shows a schedule, and what became of its last moments.')
    .option('-o, --output <form>', 'table|json', 'table')
    .action(async (text: string, { output }: { output: string }) => {
      const id = await wholeId(env.client(), 'schedule', text);
      await print(env, await env.client().call('GET /v1/schedules/{id}', { params: { id } }), output);
    });
  for (const [name, state, description] of [
    ['pause', 'paused', 'Starts no scans until it is resumed.'],
    ['resume', 'active', 'Starts scans again, from the next moment on.'],
  ] as const)
    schedule
      .command(`${name} <id>`)
      .description(description)
      .action(async (text: string) => change(env, text, { state }));
  addChange(schedule, env);
  schedule
    .command('delete <id>')
    .description('Ends a schedule; a scan that runs goes on.')
    .action(async (text: string) => {
      const id = await wholeId(env.client(), 'schedule', text);
      await env.client().call('DELETE /v1/schedules/{id}', { params: { id } });
      await env.terminal.stderr.write(`schedule ${id} is deleted\n`);
    });
}

function addList(schedule: Command, env: CommandEnv): void {
  schedule
    .command('list', { isDefault: true })
    .description('Lists schedules, when each starts its next scan, and what became of the last.')
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .action(async ({ output }: { output: string }) => {
      const { items } = await env.client().call('GET /v1/schedules', {});
      await printList(env.terminal, parseOutput(output, LIST_OUTPUTS), items, {
        headers: ['id', 'name', 'pack', 'on', 'when', 'next', 'last', 'by'],
        row: (one) => [
          ...[one.id, escapeControls(one.name), one.pack, one.scope, `${one.cron} ${one.timeZone}`],
          ...[
            one.state === 'paused' ? 'paused' : shortTime(one.nextAt),
            firingText(one.firings[0]),
            one.createdBy.name,
          ],
        ],
        nothing: 'There are none. muster schedule create makes one.',
      });
    });
}

function addCreate(schedule: Command, env: CommandEnv): void {
  schedule
    .command('create <name>')
    .description('Runs a pack again and again, in your name.')
    .requiredOption('--pack <id>', 'the pack; the version that is newest when a scan starts runs')
    .requiredOption('--cron <expression>', "minute, hour, day of month, month, day of week: '0 2 * * 1-5'")
    .option('--tz <zone>', 'the time zone of the expression: Europe/Berlin (default UTC)')
    .option('-t, --target <selector>', 'which endpoints: os=linux,env in (prod,staging)')
    .option('--jitter <duration>', 'each scan starts up to so much later, at most 24h')
    .option('--timeout <duration>', 'how long an endpoint may take: 1s to 10m (default 60s)')
    .option('--wait <duration>', 'scan absent endpoints too, as they connect, for up to 14d')
    .option('--detail <what>', 'checks|endpoints: what each scan keeps, as with muster scan')
    .option('-o, --output <form>', 'table|json', 'table')
    .action(async (name: string, options: CreateOptions) => {
      const { pack, cron, tz, target = '', jitter, timeout, wait, output } = options;
      const detail = parseDetail(options.detail);
      const body: BodyOf<(typeof operations)['createSchedule']> = {
        ...{ name, pack, cron, selector: target },
        ...(tz === undefined ? {} : { timeZone: tz }),
        ...(jitter === undefined ? {} : { jitter }),
        ...(timeout === undefined ? {} : { timeout }),
        ...(wait === undefined ? {} : { wait }),
        ...(detail === undefined ? {} : { detail }),
      };
      const made = await env.client().call('POST /v1/schedules', { body, idempotencyKey: randomUUID() });
      await print(env, made, output);
    });
}

function addChange(schedule: Command, env: CommandEnv): void {
  interface ChangeOptions {
    readonly name?: string;
    readonly cron?: string;
    readonly tz?: string;
    readonly jitter?: string;
  }
  schedule
    .command('change <id>')
    .description('Gives a schedule another name or other moments.')
    .option('--name <name>')
    .option('--cron <expression>')
    .option('--tz <zone>')
    .option('--jitter <duration>')
    .action(async (text: string, { name, cron, tz, jitter }: ChangeOptions) =>
      change(env, text, {
        ...(name === undefined ? {} : { name }),
        ...(cron === undefined ? {} : { cron }),
        ...(tz === undefined ? {} : { timeZone: tz }),
        ...(jitter === undefined ? {} : { jitter }),
      }),
    );
}

async function change(
  env: CommandEnv,
  text: string,
  body: BodyOf<(typeof operations)['changeSchedule']>,
): Promise<void> {
  const id = await wholeId(env.client(), 'schedule', text);
  await print(env, await env.client().call('PATCH /v1/schedules/{id}', { params: { id }, body }), 'table');
}

async function print({ terminal }: CommandEnv, one: ScheduleJson, output: string): Promise<void> {
  if (parseOutput(output, ['table', 'json']) === 'json') return terminal.stdout.write(`${safeJson(one)}\n`);
  const facts = renderFacts([
    ...[['id', one.id] as const, ['name', escapeControls(one.name)] as const, ['state', one.state] as const],
    ...[['pack', one.pack] as const, ['on', one.scope === '' ? 'all endpoints' : one.scope] as const],
    ['when', `${one.cron} ${one.timeZone}${one.jitterMs > 0 ? `, up to ${one.jitterMs / 60_000} min later` : ''}`],
    ['next', one.nextAt === undefined ? undefined : shortTime(one.nextAt)],
    ['by', `${one.createdBy.name}, ${shortTime(one.createdAt)}`],
    ...one.firings.map((firing, i) => [i === 0 ? 'last' : ' ', firingText(firing)] as const),
  ]);
  await terminal.stdout.write(facts);
}

function firingText(firing: ScheduleJson['firings'][number] | undefined): string {
  if (firing === undefined) return '';
  const { dueAt, result, scan, missed, message } = firing;
  const why = message === undefined ? '' : `: ${escapeControls(message)}`;
  return `${shortTime(dueAt)} ${scan ?? result}${missed === undefined || missed === 1 ? '' : ` ${missed} times`}${why}`;
}
