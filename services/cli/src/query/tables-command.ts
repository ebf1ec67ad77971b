import type { TableJson } from '@muster/api-contract';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { safeJson } from '../terminal/escape.js';
import { LIST_OUTPUTS, parseOutput, printList } from '../terminal/listing.js';
import { renderTable, styleFor } from '../terminal/table.js';

interface TablesOptions {
  /** Checked by the server. */
  readonly platform?: TableJson['platforms'][number];
  readonly output: string;
}

/** `muster tables`: the tables that can be queried. */
export function addTablesCommand(program: Command, env: CommandEnv): void {
  program
    .command('tables [name]')
    .description('Lists the tables that questions can use, or shows the columns of one.')
    .option('-p, --platform <name>', 'only those that exist there: linux, windows, darwin')
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .action(async (name: string | undefined, { platform, output }: TablesOptions) => {
      const form = parseOutput(output, LIST_OUTPUTS);
      if (name !== undefined) return showTable(env, name, form !== 'table');
      const { items } = await env.client().call('GET /v1/tables', { query: { platform } });
      await printList(env.terminal, form, items, {
        headers: ['table', 'platforms', 'cost', 'sensitivity', 'what it holds'],
        row: ({ name: table, platforms, cost, sensitivity, description }) => [
          ...[table, platforms.join(','), cost ?? '', sensitivity ?? '', description],
        ],
        nothing: 'There are none.',
      });
    });
}

async function showTable(env: CommandEnv, name: string, asJson: boolean): Promise<void> {
  const table = await env.client().call('GET /v1/tables/{name}', { params: { name } });
  const { stdout, env: variables } = env.terminal;
  if (asJson) return stdout.write(`${safeJson(table)}\n`);
  const style = styleFor(stdout.isTTY, variables);
  const rows = table.columns.map(({ name: column, type, description, hidden, pushdown }) => [
    column,
    type,
    [pushdown === undefined ? '' : 'fast', hidden === true ? 'hidden' : ''].filter((word) => word !== '').join(','),
    description,
  ]);
  const needs = table.requiresOneOf ?? [];
  const { sensitivity, costNote } = table;
  const lines = [
    `${style.bold(table.name)} (${table.platforms.join(', ')}): ${table.description}`,
    ...(costNote === undefined ? neededBy(needs) : [costNote]),
    ...(sensitivity === undefined ? [] : [`${SENSITIVITY[sensitivity]} The policy of your org says who may ask it.`]),
  ];
  await stdout.write(
    `${lines.join('\n')}\n\n${renderTable({ headers: ['column', 'type', '', 'what it is'], width: stdout.columns, style }, rows)}`,
  );
  if (rows.some(([, , marks]) => marks?.includes('fast') === true)) {
    await stdout.write(style.dim('\nfast: a condition on this column makes the endpoint read less\n'));
  }
}

/** Of a server that does not know what tables cost. */
function neededBy(columns: readonly string[]): string[] {
  return columns.length === 0 ? [] : [`Needs a condition on ${columns.join(' or ')}.`];
}

const SENSITIVITY: Readonly<Record<NonNullable<TableJson['sensitivity']>, string>> = {
  personal: 'It says what people did.',
  secret: 'It may hold secrets.',
};
