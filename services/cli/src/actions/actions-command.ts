import { shapesOf } from '@muster/actions';
import type { ActionJson } from '@muster/api-contract';
import type { Command } from 'commander';
import type { CommandEnv } from '../environment/command-env.js';
import { escapeControls, safeJson } from '../terminal/escape.js';
import { LIST_OUTPUTS, parseOutput, printList } from '../terminal/listing.js';
import { renderTable, styleFor } from '../terminal/table.js';
import { getAction, listActions } from './catalogue.js';
import { choicesOf, paramSchemas, typesOf, type ParamSchema } from './params.js';

/** `muster actions`: what endpoints can do. */
export function addActionsCommand(program: Command, env: CommandEnv): void {
  program
    .command('actions [name]')
    .description('Lists the actions of `muster run`, or shows the parameters of one.')
    .option('-o, --output <form>', LIST_OUTPUTS.join('|'), 'table')
    .action(async (name: string | undefined, { output }: { output: string }) => {
      const form = parseOutput(output, LIST_OUTPUTS);
      const { stdout } = env.terminal;
      if (name !== undefined) {
        const action = await getAction(env.client(), name);
        return stdout.write(form === 'table' ? renderAction(env, action) : `${safeJson(action)}\n`);
      }
      await printList(env.terminal, form, await listActions(env.client()), {
        headers: ['action', 'platforms', '', 'what it does'],
        row: (action) => [action.name, action.platforms.join(','), marksOf(action).join(','), action.summary],
        nothing: 'There are none.',
      });
    });
}

function marksOf({ destructive, reversible }: ActionJson): string[] {
  return [...(destructive ? ['destructive'] : []), ...(reversible ? ['undo'] : [])];
}

function renderAction({ terminal: { stdout, env } }: CommandEnv, action: ActionJson): string {
  const style = styleFor(stdout.isTTY, env);
  const marks = marksOf(action);
  const where = [action.platforms.join(', '), ...marks].join('; ');
  const lines = [`${style.bold(escapeControls(action.name))} (${where}): ${escapeControls(action.summary)}`];
  const rows = Object.entries(paramSchemas(action)).map(([name, schema]) => [
    name,
    typeText(schema),
    schema.default === undefined ? '' : JSON.stringify(schema.default),
    schema.description ?? '',
  ]);
  const headers = ['parameter', 'type', 'default', 'what it is'];
  const table = rows.length === 0 ? '' : `\n${renderTable({ headers, width: stdout.columns, style }, rows)}`;
  return `${lines.join('\n')}\n${table}${needText(action)}${rowText(action)}`;
}

function typeText(schema: ParamSchema): string {
  const choices = choicesOf(schema);
  if (choices.length > 0) return choices.join('|');
  return typesOf(schema)
    .map((type) => TYPES[type] ?? type)
    .join('|');
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  integer: 'number',
  array: 'a,b,…',
  object: 'name=value,…',
};

/** Which parameters name the object of the action, if it needs any. */
function needText({ object = [] }: ActionJson): string {
  const ways = object.filter(({ required }) => required.length > 0).map(({ required }) => required.join(' and '));
  return ways.length === 0 ? '' : `\nNeeds ${ways.join(', or ')}.\n`;
}

/** Which rows the action can be bound to, with an example. */
function rowText(action: ActionJson): string {
  const shapes = shapesOf(action);
  if (shapes.length === 0) return '';
  const lines = shapes.map(
    ({ table, required, optional }) =>
      `  ${table}: ${required.join(', ')}${optional.length === 0 ? '' : ` (and ${optional.join(', ')})`}`,
  );
  const main = action.binds ?? shapes[0];
  const columns = [...(main?.required ?? []), ...(main?.optional ?? [])].join(', ');
  const example = `muster query "SELECT ${columns} FROM ${main?.table} WHERE …" -o ndjson | muster run ${action.name} --from -`;
  return `\nOr rows with the columns of\n${lines.join('\n')}\nfor example\n  ${example}\n`;
}
