import { beganQuery, type BeganOptions } from '../terminal/began-options.js';
import { secondsTime, shortTime } from '../terminal/time-text.js';
import type { CommandJson, CommandStatus, CommandTargetJson } from '@muster/api-contract';
import type { Command } from 'commander';
import { COMMAND_STATES } from '@muster/protocol';
import { findAgent } from '../environment/find-agent.js';
import { commandText } from '../actions/params.js';
import type { CommandEnv } from '../environment/command-env.js';
import { escapeControls, safeJson } from '../terminal/escape.js';
import {
  counted,
  LIST_OUTPUTS,
  TABLE_OUTPUTS,
  parseLimit,
  parseOutput,
  printList,
  printLong,
  renderFacts,
  usualLimit,
} from '../terminal/listing.js';
import { commandParams } from './command-id.js';
import { agree, openPrompt } from './confirm.js';
import { hostOf, ledgerText, words } from './summary.js';
import { watchCommand } from './watch.js';

const TARGETS_PAGE = 5_000;

/** `muster commands`: submitted commands and their outcomes. */
export function addCommandsCommand(program: Command, env: CommandEnv): void {
  const commands = program
    .command('commands')
    .description('Commands and what became of them: list, show, watch, targets, cancel, approve.');
  addList(commands, env);
  addShow(commands, env);
  addWatch(commands, env);
  addTargets(commands, env);
  addCancel(commands, env);
  addApprove(commands, env);
}

interface CommandListOptions extends BeganOptions {
  readonly status?: CommandStatus;
  readonly limit?: string;
  readonly agent?: string;
  readonly output: string;
}

function addList(commands: Command, env: CommandEnv): void {
  commands
    .command('list', { isDefault: true })
    .description('Lists commands, newest first.')
    .option('--status <status>', 'awaiting_approval, running or ended')
    .option(
      '--agent <endpoint>',
      'only those of which this endpoint is a target, with how they went there: an id or a host name',
    )
    .option('--operator <who>', 'only those of this operator: a name or an id')
    .option('--since <time>', 'only those submitted since: 2h, 7d, 2026-11-24, 2026-11-24T20:41Z')
    .option('--until <time>', 'only those submitted before')
    .option(...usualLimit(50))
    .option('-o, --output <form>', TABLE_OUTPUTS.join('|'), 'table')
    .action(async ({ status, agent: name, limit, output, ...options }: CommandListOptions) => {
      const agent = name === undefined ? undefined : (await findAgent(env.client(), name)).agentId;
      const query = { status, agent, ...beganQuery(options) };
      const itemsOf = (most?: number) => env.client().items('GET /v1/commands', { query, limit: most });
      const form = parseOutput(output, TABLE_OUTPUTS);
      await printLong(env.terminal, form, { limit, usual: 50 }, itemsOf, {
        headers: ['id', 'submitted', 'who', 'action', 'on', 'status', agent === undefined ? 'targets' : 'there'],
        row: (command) => [
          command.id,
          shortTime(command.submittedAt),
          command.operator.name,
          `${textOf(command)}${command.dryRun ? ' (dry run)' : ''}`,
          command.target,
          words(command.status),
          agent === undefined
            ? ledgerText(command.ledger)
            : (command.agentTargets ?? []).map(({ state }) => words(state)).join(', '),
        ],
        nothing: 'There are none.',
      });
    });
}

function addShow(commands: Command, env: CommandEnv): void {
  commands
    .command('show <command>')
    .description('Shows one command.')
    .option('-o, --output <form>', 'table|json', 'table')
    .action(async (id: string, { output }: { output: string }) => {
      const form = parseOutput(output, ['table', 'json']);
      const command = await env
        .client()
        .call('GET /v1/commands/{id}', { params: await commandParams(env.client(), id) });
      await env.terminal.stdout.write(form === 'json' ? `${safeJson(command)}\n` : renderCommand(command));
    });
}

function renderCommand(command: CommandJson): string {
  const { rollout, cancel, approval, approver, operator } = command;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['id', command.id],
    ['action', `${textOf(command)}${command.dryRun ? ' (dry run)' : ''}`],
    ['on', command.target],
    ['status', words(command.status)],
    ['targets', `${counted(command.ledger.targeted, 'target')}: ${ledgerText(command.ledger)}`],
    ['submitted', `${shortTime(command.submittedAt)} by ${operator.name} (${operator.role})`],
    ['reason', command.reason],
    [
      'approval',
      approval && (approver === undefined ? `needed: ${approval.why}` : `by ${approver.name}: ${approval.why}`),
    ],
    ['rollout', rollout && rolloutText(rollout, command)],
    ['undoes', command.undoes],
    ['expires', shortTime(command.expiresAt)],
    ['timeout', `${command.timeoutMs / 1_000} s on one endpoint`],
    ['stopped', cancel && `${shortTime(cancel.at)} by ${cancel.by.name} (${cancel.code}) ${cancel.message}`.trimEnd()],
    ['ended', shortTime(command.endedAt)],
  ];
  return renderFacts(facts.map(([name, value]) => [name, value === undefined ? undefined : escapeControls(value)]));
}

function rolloutText(rollout: NonNullable<CommandJson['rollout']>, { released, ledger }: CommandJson): string {
  const { canary, step, pauseMs, abortOver } = rollout;
  const plan = `canary=${canary},step=${step},pause=${pauseMs / 1_000}s,abort_over=${abortOver * 100}%`;
  return `${plan}; ${released} of ${ledger.targeted} released`;
}

function addWatch(commands: Command, env: CommandEnv): void {
  commands
    .command('watch <command>')
    .description('Prints each outcome as it comes, then the ledger. Ctrl-C leaves the command alone.')
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .action(async (id: string, { output }: { output: string }) => {
      const form = parseOutput(output, LIST_OUTPUTS);
      const command = await env
        .client()
        .call('GET /v1/commands/{id}', { params: await commandParams(env.client(), id) });
      env.exit(await watchCommand(env, command, form));
    });
}

function addTargets(commands: Command, env: CommandEnv): void {
  commands
    .command('targets <command>')
    .description('Lists the targets of a command and where each stands.')
    .option('--state <state>', `only those: ${COMMAND_STATES.join(', ')}`)
    .option('--limit <n>', 'at most so many')
    .option('-o, --output <form>', TABLE_OUTPUTS.join('|'), 'table')
    .action(async (id: string, { state, limit, output }: { state?: string; limit?: string; output: string }) => {
      const form = parseOutput(output, TABLE_OUTPUTS);
      const items = env.client().items('GET /v1/commands/{id}/targets', {
        params: await commandParams(env.client(), id),
        query: { state },
        pageSize: TARGETS_PAGE,
        limit: limit === undefined ? undefined : parseLimit(limit),
      });
      await printList(env.terminal, form, items, {
        headers: ['host', 'agent', 'state', 'at', 'why'],
        row: (target) => [
          hostOf(target),
          target.agentId ?? '',
          words(target.state),
          target.at === undefined ? '' : secondsTime(target.at),
          reasonText(target),
        ],
        nothing: 'There are none.',
      });
    });
}

function reasonText({ message, late }: CommandTargetJson): string {
  const after = late === undefined ? '' : `reported later: ${words(late.state)} ${late.message}`.trimEnd();
  return [message, after].filter((part) => part !== '').join('; ');
}

function addCancel(commands: Command, env: CommandEnv): void {
  commands
    .command('cancel <command>')
    .description(
      'Stops what has not started; what runs is told to stop, and says what really happened. It also rejects what waits for approval.',
    )
    .option('--reason <text>', 'why; kept in the audit record')
    .action(async (id: string, { reason }: { reason?: string }) => {
      const { stderr } = env.terminal;
      const params = await commandParams(env.client(), id);
      const call = { params, query: { reason } };
      const command = await env.client().call('DELETE /v1/commands/{id}', call);
      if (command === undefined) return stderr.write(`${params.id} has ended already, so there is nothing to cancel\n`);
      const open =
        command.status === 'ended' ? '' : `; \`muster commands watch ${params.id}\` shows what becomes of the rest`;
      await stderr.write(`${params.id} is cancelled: ${ledgerText(command.ledger)}${open}\n`);
    });
}

function addApprove(commands: Command, env: CommandEnv): void {
  commands
    .command('approve <command>')
    .description("Lets another person's command go, which a policy has held back.")
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, { yes = false }: { yes?: boolean }) => {
      const params = await commandParams(env.client(), id);
      const prompt = openPrompt(env.terminal, { yes });
      try {
        if (prompt !== undefined)
          await agree(prompt, approvalLines(await env.client().call('GET /v1/commands/{id}', { params })));
        const command = await env.client().call('POST /v1/commands/{id}/approve', { params, body: {} });
        await env.terminal.stderr.write(`${params.id} is approved: ${ledgerText(command.ledger)}\n`);
      } finally {
        prompt?.close();
      }
    });
}

function approvalLines(command: CommandJson): string[] {
  const { operator, ledger, target, reason, approval } = command;
  return [
    `${operator.name} (${operator.role}) asks for ${textOf(command)}`,
    `on ${counted(ledger.targeted, 'target')} (${target})`,
    ...(reason === undefined ? [] : [`because: ${reason}`]),
    ...(approval === undefined ? [] : [`It needs approval: ${approval.why}.`]),
  ];
}

function textOf({ action, params }: CommandJson): string {
  return commandText(action, params);
}
