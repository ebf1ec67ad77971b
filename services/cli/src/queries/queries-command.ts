import type { QueryJson, QueryState } from '@muster/api-contract';
import type { Command } from 'commander';
import { agree, openPrompt } from '../commands/confirm.js';
import type { CommandEnv } from '../environment/command-env.js';
import { wholeId } from '../environment/short-ids.js';
import { ask, type Ask } from '../query/ask.js';
import { OUTPUTS } from '../query/results.js';
import { ledgerWords } from '../query/summary.js';
import { beganQuery, type BeganOptions } from '../terminal/began-options.js';
import { usageError } from '../terminal/cli-error.js';
import { escapeControls, safeJson } from '../terminal/escape.js';
import {
  counted,
  numberText,
  parseOutput,
  printLong,
  renderFacts,
  TABLE_OUTPUTS,
  usualLimit,
} from '../terminal/listing.js';
import { shortTime } from '../terminal/time-text.js';
import { addEndpointsCommand } from './endpoints-command.js';
import { addReduceCommand, addRowsCommand } from './rows-command.js';

/** `muster queries`: questions that were asked, and their answers, for as long as they are kept. */
export function addQueriesCommand(program: Command, env: CommandEnv): void {
  const queries = program
    .command('queries')
    .description('Questions that were asked: list, show, rows, endpoints, cancel, delete, reduce, rerun.');
  addList(queries, env);
  addShow(queries, env);
  addRowsCommand(queries, env);
  addEndpointsCommand(queries, env);
  addCancel(queries, env);
  addDelete(queries, env);
  addReduceCommand(queries, env);
  addRerun(queries, env);
}

interface ListOptions extends BeganOptions {
  readonly state?: QueryState;
  readonly limit?: string;
  readonly output: string;
}

function addList(queries: Command, env: CommandEnv): void {
  queries
    .command('list', { isDefault: true })
    .description('Lists queries, newest first.')
    .option('--state <state>', 'running, complete, cancelled or interrupted')
    .option('--operator <who>', 'only those of this operator: a name or an id')
    .option('--since <time>', 'only those asked since: 2h, 7d, 2026-11-24, 2026-11-24T20:41Z')
    .option('--until <time>', 'only those asked before')
    .option(...usualLimit(50))
    .option('-o, --output <form>', TABLE_OUTPUTS.join('|'), 'table')
    .action(async ({ state, limit, output, ...options }: ListOptions) => {
      const query = { state, ...beganQuery(options) };
      const itemsOf = (most?: number) => env.client().items('GET /v1/queries', { query, limit: most });
      const form = parseOutput(output, TABLE_OUTPUTS);
      await printLong(env.terminal, form, { limit, usual: 50 }, itemsOf, {
        headers: ['id', 'asked', 'who', 'question', 'on', 'state', 'answers', 'rows'],
        row: (one) => [
          ...[one.id, shortTime(one.createdAt), one.operator.name, oneLine(one.sql), one.scope, one.state],
          ...[`${one.ledger.answered + one.ledger.empty} of ${one.ledger.targeted}`, String(one.rows)],
        ],
        nothing: 'There are none.',
      });
    });
}

/** A question of several lines in one. */
function oneLine(sql: string): string {
  return sql
    .replaceAll(/^\s*--.*$/gm, '')
    .replaceAll(/\s+/g, ' ')
    .trim();
}

function addShow(queries: Command, env: CommandEnv): void {
  queries
    .command('show <query>')
    .description('Shows one query and its ledger.')
    .option('-o, --output <form>', 'table|json', 'table')
    .action(async (text: string, { output }: { output: string }) => {
      const form = parseOutput(output, ['table', 'json']);
      const params = { id: await wholeId(env.client(), 'query', text) };
      const query = await env.client().call('GET /v1/queries/{id}', { params });
      await env.terminal.stdout.write(
        form === 'json' ? `${safeJson(query)}\n` : renderQuery(query, env.link(query.id)),
      );
    });
}

function renderQuery(query: QueryJson, link: string | undefined): string {
  const { ledger, operator, state, offline } = query;
  const away = offline === 0 ? '' : `; ${counted(offline, 'more')} in scope not connected`;
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['id', query.id],
    ['question', oneLine(query.sql)],
    ['reduce', query.reduce],
    ['parameters', parametersText(query.parameters)],
    ['again', query.retryOf === undefined ? undefined : `where ${query.retryOf} got no answer`],
    ['on', query.scope === '' ? 'every endpoint' : query.scope],
    ['mode', query.mode],
    ['budget', budgetText(query.budget)],
    ['state', state],
    ['ledger', `${ledger.targeted} targeted: ${ledgerWords(ledger)}${away}`],
    ['rows', `${counted(query.rows, query.mode === 'group' ? 'distinct row' : 'row')}`],
    ['warned', warnedText(query)],
    ['not kept', query.truncated],
    ['asked', `${shortTime(query.createdAt)} by ${operator.name}`],
    ['waits until', waitText(query)],
    ['deadline', state === 'running' && query.waitUntil === undefined ? shortTime(query.deadlineAt) : undefined],
    ['ended', shortTime(query.endedAt)],
    ['link', link],
  ];
  return renderFacts(facts.map(([name, value]) => [name, value === undefined ? undefined : escapeControls(value)]));
}

function parametersText(parameters: QueryJson['parameters'] = {}): string {
  return Object.entries(parameters)
    .map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
}

function budgetText(budget: QueryJson['budget']): string | undefined {
  return budget === undefined ? undefined : `${budget.ms / 1_000} s on each endpoint, ${budget.priority} priority`;
}

function warnedText({ warned = 0, unfinished = 0 }: QueryJson): string | undefined {
  if (warned === 0) return undefined;
  const part = unfinished === 0 ? '' : `; ${numberText(unfinished)} did not finish the search`;
  return `${counted(warned, 'answer')} lack something${part}`;
}

function waitText({ waitUntil, standing }: QueryJson): string | undefined {
  if (waitUntil === undefined) return undefined;
  return `${shortTime(waitUntil)}${standing === true ? ', also for endpoints that enrol later' : ''}`;
}

function addCancel(queries: Command, env: CommandEnv): void {
  queries
    .command('cancel <query>')
    .description('Ends a query that runs; what came is kept.')
    .action(async (text: string) => {
      const { stderr } = env.terminal;
      const id = await wholeId(env.client(), 'query', text);
      const query = await env.client().call('DELETE /v1/queries/{id}', { params: { id } });
      if (query === undefined) return stderr.write(`${id} has ended already, so there is nothing to cancel\n`);
      await stderr.write(`${id} is cancelled: ${ledgerWords(query.ledger)}\n`);
    });
}

function addDelete(queries: Command, env: CommandEnv): void {
  queries
    .command('delete <query>')
    .description('Deletes rows, outcomes and reductions of a query that has ended; its record stays.')
    .option('-y, --yes', 'without asking')
    .action(async (text: string, { yes }: { yes?: boolean }) => {
      const id = await wholeId(env.client(), 'query', text);
      const prompt = openPrompt(env.terminal, { yes: yes === true });
      if (prompt !== undefined) {
        const { rows, sql } = await env.client().call('GET /v1/queries/{id}', { params: { id } });
        await agree(prompt, [`${counted(rows, 'row')} of ${id} will be gone: ${sql}`]);
      }
      await env.client().call('DELETE /v1/queries/{id}/results', { params: { id } });
      await env.terminal.stderr.write(`the results of ${id} are deleted\n`);
    });
}

interface RerunOptions {
  readonly target?: string;
  readonly timeout?: string;
  readonly output: string;
  readonly quiet?: boolean;
}

function addRerun(queries: Command, env: CommandEnv): void {
  queries
    .command('rerun <query>')
    .description('Asks the same question again, of the same selection as it is now.')
    .option('-t, --target <selector>', 'of this selection instead')
    .option('--timeout <duration>', 'how long endpoints may take this time')
    .option('-o, --output <form>', OUTPUTS.join('|'), 'table')
    .option('-q, --quiet', 'no progress and no ledger')
    .action(async (text: string, { target, timeout, output, quiet }: RerunOptions) => {
      const form = parseOutput(output, OUTPUTS);
      const params = { id: await wholeId(env.client(), 'query', text) };
      const asked = await env.client().call('GET /v1/queries/{id}', { params });
      const question = askedAgain(asked, { target, timeout });
      env.exit(await ask(env, question, { output: form, quiet: quiet === true }));
    });
}

/**
 * The same question, with all that says how and whom it asks. A hunt waits as long as it did. @throws CliError where
 * that cannot be known
 */
function askedAgain(
  asked: QueryJson,
  { target, timeout }: { readonly target: string | undefined; readonly timeout: string | undefined },
): Ask {
  const { sql, selector, mode, reduce, timeoutMs, agents, retryOf, budget, waitUntil, createdAt, standing } = asked;
  if (agents !== undefined && target === undefined)
    throw usageError(
      `query ${asked.id} asked ${counted(agents, 'endpoint')} by id, and they are not kept as a list`,
      '--target SELECTOR, or muster query --retry for those without an answer',
    );
  if (asked.pack !== undefined)
    throw usageError(`${asked.id} is a scan of the pack ${asked.pack.id}`, `muster scan ${asked.pack.id}`);
  // In the form in which they are given.
  const parameters = asked.parameters as Ask['parameters'];
  const waitMs = waitUntil === undefined ? undefined : Date.parse(waitUntil) - Date.parse(createdAt);
  const terms = {
    ...(timeout === undefined ? { timeoutMs } : { timeout }),
    ...(budget === undefined ? {} : { budget: { time: `${budget.ms}ms`, priority: budget.priority } }),
    ...(waitMs === undefined ? {} : { waitUntil: new Date(Date.now() + waitMs).toISOString() }),
    ...(standing === undefined ? {} : { standing }),
  };
  // Without a target of its own it asks whom it asked: those without an answer.
  if (retryOf !== undefined && target === undefined) return { retryOf, ...terms };
  return {
    ...{ sql, mode, selector: target ?? selector },
    ...(reduce === undefined ? {} : { reduce }),
    ...(parameters === undefined ? {} : { parameters }),
    ...terms,
  };
}
