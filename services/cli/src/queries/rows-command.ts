import { ApiProblem, type ApiClient } from '@muster/api-client';
import type { GroupJson, QueryJson, RawRowJson, RowPageJson } from '@muster/api-contract';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { wholeId } from '../environment/short-ids.js';
import { faultExcerpt } from '../query/fault-excerpt.js';
import { createWriter, excelOption, OUTPUTS, type Output, type ResultWriter } from '../query/results.js';
import { exitCodeOf, renderSummary } from '../query/summary.js';
import { collect, parseQueryParams } from '../questions/query-params.js';
import { EXIT } from '../terminal/cli-error.js';
import { parseLimit, parseOutput } from '../terminal/listing.js';
import { styleFor } from '../terminal/table.js';

interface RowsOptions {
  readonly limit?: string;
  readonly output: string;
  readonly excel?: boolean;
  readonly quiet?: boolean;
  readonly merged?: boolean;
}

const PAGE = 5_000;

/** `muster queries rows`: what a query has gathered, in the forms of `muster query`. */
export function addRowsCommand(queries: Command, env: CommandEnv): void {
  queries
    .command('rows <query>')
    .description('Prints the rows of a query: all that are kept by now.')
    .option('--limit <n>', 'at most so many')
    .option('-o, --output <form>', OUTPUTS.join('|'), 'table')
    .option('--excel', 'CSV for spreadsheets: marked as UTF-8, and no text is run as a formula')
    .option('--merged', 'of a retry: with the rows of the queries that it asks again, and the ledgers of all')
    .option('-q, --quiet', 'no ledger')
    .action(async (text: string, options: RowsOptions) => {
      const { output, excel } = excelOption(parseOutput(options.output, OUTPUTS), options.excel);
      const limit = options.limit === undefined ? Infinity : parseLimit(options.limit);
      const { stdout, env: variables } = env.terminal;
      const client = env.client();
      const params = { id: await wholeId(client, 'query', text) };
      const query = await client.call('GET /v1/queries/{id}', { params });
      const { mode, columns } = query;
      const style = styleFor(stdout.isTTY, variables);
      const writer = createWriter({ output, out: stdout, style, mode, columns, excel });
      await printRows(client, writer, query, { limit, merged: options.merged === true });
      env.exit(await endRows(env, writer, query, { ...options, output, merged: options.merged === true }));
    });
}

interface EndOptions {
  readonly output: Output;
  readonly merged: boolean;
  readonly quiet?: boolean;
}

/** What rows lack goes with them, however they are read: who did not answer, and what was not finished or not kept. */
async function endRows(env: CommandEnv, writer: ResultWriter, query: QueryJson, options: EndOptions) {
  const { merged, output, quiet } = options;
  const { stderr, env: variables } = env.terminal;
  const client = env.client();
  const chain = merged ? await retryChain(client, query) : [query];
  const whole = merged ? await mergedQuery(client, chain) : query;
  const asksAll = output === 'json';
  const call = { params: { id: query.id }, query: merged ? { merged: 'true' as const } : {} };
  const failures = asksAll ? await client.all('GET /v1/queries/{id}/endpoints', call) : [];
  const isWarned = chain.some(({ warned = 0 }) => warned > 0);
  const warnings = isWarned || asksAll ? await client.all('GET /v1/queries/{id}/warnings', call).catch(noneThere) : [];
  await writer.end(query, failures, warnings);
  if (quiet !== true) {
    const style = styleFor(stderr.isTTY, variables);
    for (const one of chain) {
      const lacks = { failures: [], warnings: one === query ? warnings : [] };
      await stderr.write(renderSummary(one, lacks, style, stderr.columns));
    }
  }
  return exitCodeOf(whole, warnings);
}

/** A server of the version before has no list of warnings. */
function noneThere(error: unknown): [] {
  if (error instanceof ApiProblem && error.status === 404) return [];
  throw error;
}

/** A retry and what it asks again, as one: how each endpoint stands, and what all of them lack. */
async function mergedQuery(client: ApiClient, chain: readonly QueryJson[]): Promise<QueryJson> {
  const last = chain.at(-1) as QueryJson;
  const { ledger = last.ledger } = await client.call('GET /v1/queries/{id}/endpoints', {
    params: { id: last.id },
    query: { merged: 'true', limit: 1 },
  });
  const truncated = chain.find((one) => one.truncated !== undefined)?.truncated;
  const unfinished = chain.reduce((sum, one) => sum + (one.unfinished ?? 0), 0);
  return { ...last, ledger, unfinished, ...(truncated === undefined ? {} : { truncated }) };
}

/** A query and those that it asks again, the first one at the beginning. */
async function retryChain(client: ApiClient, last: QueryJson): Promise<QueryJson[]> {
  const chain = [last];
  for (let id = last.retryOf; id !== undefined; id = chain[0]?.retryOf)
    chain.unshift(await client.call('GET /v1/queries/{id}', { params: { id } }));
  return chain;
}

async function printRows(
  client: ApiClient,
  writer: ResultWriter,
  { id, mode }: QueryJson,
  { limit, merged }: { readonly limit: number; readonly merged: boolean },
): Promise<void> {
  let left = limit;
  let cursor: string | undefined;
  do {
    const call = {
      params: { id },
      query: { limit: Math.min(left, PAGE), cursor, ...(merged ? { merged: 'true' as const } : {}) },
    };
    const page: RowPageJson = await client.call('GET /v1/queries/{id}/rows', call);
    const items = page.items.slice(0, left);
    if (mode === 'group') await writer.groups(items as readonly GroupJson[]);
    else
      await writer.answers(
        (items as readonly RawRowJson[]).map(({ values, ...name }) => ({ ...name, rows: [values] })),
      );
    left -= items.length;
    cursor = page.nextCursor;
  } while (cursor !== undefined && left > 0);
}

interface ReduceOptions extends RowsOptions {
  readonly param: readonly string[];
}

/** `muster queries reduce`: a second SELECT over the rows of a query. */
export function addReduceCommand(queries: Command, env: CommandEnv): void {
  queries
    .command('reduce <query> <sql>')
    .description('Runs a second SELECT over the rows of a query, as the table "rows".')
    .option('-p, --param <name=value>', 'a value for :name of the SQL, bound and never pasted; repeatable', collect, [])
    .option('--merged', 'of a retry: over the rows of the queries that it asks again, too')
    .option('-o, --output <form>', OUTPUTS.join('|'), 'table')
    .option('--excel', 'CSV for spreadsheets: marked as UTF-8, and no text is run as a formula')
    .option('-q, --quiet', 'no ledger')
    .action(async (text: string, sql: string, options: ReduceOptions) => {
      const { output, excel } = excelOption(parseOutput(options.output, OUTPUTS), options.excel);
      const { stdout, stderr, env: variables } = env.terminal;
      const merged = options.merged === true;
      const parameters = parseQueryParams(options.param);
      const params = { id: await wholeId(env.client(), 'query', text) };
      const body = {
        sql,
        ...(merged ? { merged } : {}),
        ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
      };
      const reduced = await env
        .client()
        .call('POST /v1/queries/{id}/reduce', { params, body })
        .catch((error: unknown) => {
          throw error instanceof ApiProblem ? env.cliError(error, faultExcerpt(error, { sql })) : error;
        });
      const style = styleFor(stdout.isTTY, variables);
      const writer = createWriter({ output, out: stdout, style, mode: 'raw', columns: reduced.columns, excel });
      await writer.reduced(reduced);
      const query = await env.client().call('GET /v1/queries/{id}', { params });
      const code = await endRows(env, writer, query, { ...options, output, merged });
      if (reduced.truncated) await stderr.write(style.yellow('The reduced rows were cut at the limit.\n'));
      env.exit(reduced.truncated ? EXIT.partial : code);
    });
}
