import { randomUUID } from 'node:crypto';
import type { BodyOf, operations } from '@muster/api-contract';
import { parseDurationMs } from '@muster/runtime/quantity';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { wholeId } from '../environment/short-ids.js';
import { usageError } from '../terminal/cli-error.js';
import { escapeControls, safeJson } from '../terminal/escape.js';
import { LIST_OUTPUTS, parseOutput, printList } from '../terminal/listing.js';
import { shortTime } from '../terminal/time-text.js';

const HELP = `
Examples:
  muster exception create linux-baseline ssh-root-login --target role=bastion --owner 'network team' --reason 'ticket 4711' --until 90d
  muster exception list --pack linux-baseline

Scans that end while an exception is in force show such failures as excepted, and leave them out of the score. From its end on they count again.`;

interface CreateOptions {
  readonly target?: string;
  readonly owner: string;
  readonly reason: string;
  readonly until: string;
  readonly output: string;
}

interface ListOptions {
  readonly pack?: string;
  readonly check?: string;
  readonly ended?: boolean;
  readonly output: string;
}

/** `muster exception`: checks that may fail on some endpoints until a moment. */
export function addExceptionCommand(program: Command, env: CommandEnv): void {
  const exception = program
    .command('exception')
    .description('Checks that may fail on some endpoints until a moment: list, create, delete.')
    .addHelpText('after', HELP);
  exception
    .command('list', { isDefault: true })
    .description('Lists exceptions, those that end first before the others.')
    .option('--pack <id>', 'only those of this pack')
    .option('--check <id>', 'only those of this check')
    .option('--ended', 'also those that have ended')
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .action(async ({ pack, check, ended = false, output }: ListOptions) => {
      const query = {
        ...(pack === undefined ? {} : { pack }),
        ...(check === undefined ? {} : { check }),
        ...(ended ? { ended: 'include' as const } : {}),
      };
      const { items } = await env.client().call('GET /v1/exceptions', { query });
      await printList(env.terminal, parseOutput(output, LIST_OUTPUTS), items, {
        headers: ['id', 'pack', 'check', 'on', 'until', 'owner', 'reason', 'by'],
        row: (one) => [
          ...[one.id, one.pack, one.check, one.scope === '' ? 'all endpoints' : one.scope],
          `${shortTime(one.until)}${one.inForce ? '' : ' (ended)'}`,
          ...[escapeControls(one.owner), escapeControls(one.reason), one.createdBy.name],
        ],
        nothing: 'There are none.',
      });
    });
  addCreate(exception, env);
  exception
    .command('delete <id>')
    .description('Ends an exception now. Needs the role admin.')
    .action(async (text: string) => {
      const id = await wholeId(env.client(), 'exception', text);
      await env.client().call('DELETE /v1/exceptions/{id}', { params: { id } });
      await env.terminal.stderr.write(`exception ${id} is deleted\n`);
    });
}

function addCreate(exception: Command, env: CommandEnv): void {
  exception
    .command('create <pack> <check>')
    .description('Accepts that a check fails on some endpoints. Needs the role admin.')
    .requiredOption('--owner <who>', 'who answers for it: a person or a team')
    .requiredOption('--reason <text>', 'why it may fail')
    .requiredOption('--until <when>', 'until when: 90d, or 2027-06-30T00:00:00Z; at most two years')
    .option('-t, --target <selector>', 'where it may fail; all endpoints without it')
    .option('-o, --output <form>', 'table|json', 'table')
    .action(async (pack: string, check: string, { target = '', owner, reason, until, output }: CreateOptions) => {
      const form = parseOutput(output, ['table', 'json']);
      const body: BodyOf<(typeof operations)['createException']> = {
        ...{ pack, check, selector: target, owner, reason, until: momentOf(until) },
      };
      const made = await env.client().call('POST /v1/exceptions', { body, idempotencyKey: randomUUID() });
      const { stdout, stderr } = env.terminal;
      await stdout.write(form === 'json' ? `${safeJson(made)}\n` : `${made.id}\n`);
      if (form === 'table') await stderr.write(`${pack} ${check} may fail until ${shortTime(made.until)}\n`);
    });
}

/** A moment, or how long from now. */
function momentOf(text: string): string {
  const ms = parseDurationMs(text);
  if (ms !== undefined) return new Date(Date.now() + ms).toISOString();
  const atMs = Date.parse(text);
  if (Number.isNaN(atMs))
    throw usageError(`--until ${text} is neither a duration nor a time`, '90d, 2027-06-30T00:00:00Z');
  return new Date(atMs).toISOString();
}
