import { ApiProblem, type ApiClient } from '@muster/api-client';
import type { GroupJson, QueryJson, RawRowJson, RowPageJson } from '@muster/api-contract';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { wholeId } from '../environment/short-ids.js';
import { faultExcerpt } from '../query/fault-excerpt.js';
import { createWriter, excelOption, OUTPUTS, type ResultWriter } from '../query/results.js';
import { exitCodeOf, renderSummary } from '../query/summary.js';
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
      const { stdout, stderr, env: variables } = env.terminal;
      const client = env.client();
      const params = { id: await wholeId(client, 'query', text) };
      const query = await client.call('GET /v1/queries/{id}', { params });
      const { mode, columns } = query;
      const style = styleFor(stdout.isTTY, variables);
      const writer = createWriter({ output, out: stdout, style, mode, columns, excel });
      await printRows(client, writer, query, { limit, merged: options.merged === true });
      const failures = output === 'json' ? await client.all('GET /v1/queries/{id}/endpoints', { params }) : [];
      await writer.end(query, failures, []);
      if (options.quiet !== true) {
        const errorStyle = styleFor(stderr.isTTY, variables);
        const chain = options.merged === true ? await retryChain(client, query) : [query];
        for (const one of chain)
          await stderr.write(renderSummary(one, { failures: [], warnings: [] }, errorStyle, stderr.columns));
      }
      env.exit(exitCodeOf(query));
    });
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

/** `muster queries reduce`: a second SELECT over the rows of a query. */
export function addReduceCommand(queries: Command, env: CommandEnv): void {
  queries
    .command('reduce <query> <sql>')
    .description('Runs a second SELECT over the rows of a query, as the table "rows".')
    .option('-o, --output <form>', OUTPUTS.join('|'), 'table')
    .option('--excel', 'CSV for spreadsheets: marked as UTF-8, and no text is run as a formula')
    .action(async (text: string, sql: string, options: RowsOptions) => {
      const { output, excel } = excelOption(parseOutput(options.output, OUTPUTS), options.excel);
      const { stdout, stderr, env: variables } = env.terminal;
      const params = { id: await wholeId(env.client(), 'query', text) };
      const reduced = await env
        .client()
        .call('POST /v1/queries/{id}/reduce', { params, body: { sql } })
        .catch((error: unknown) => {
          throw error instanceof ApiProblem ? env.cliError(error, faultExcerpt(error, { sql })) : error;
        });
      const style = styleFor(stdout.isTTY, variables);
      const writer = createWriter({ output, out: stdout, style, mode: 'raw', columns: reduced.columns, excel });
      await writer.reduced(reduced);
      await writer.end(await env.client().call('GET /v1/queries/{id}', { params }), [], []);
      if (reduced.truncated) await stderr.write(style.yellow('The reduced rows were cut at the limit.\n'));
    });
}
