import { EXIT, type ExitCode } from '../terminal/cli-error.js';
import type { CommandEnv } from '../environment/command-env.js';
import { safeJson } from '../terminal/escape.js';
import { renderTable, styleFor } from '../terminal/table.js';
import { csvLine, valueText } from '../terminal/value-text.js';
import type { Output } from './results.js';

const PRAGMA = /^\s*PRAGMA\s+table_info\s*\(\s*(["'`]?)(\w+)\1\s*\)\s*;?\s*$/i;
/** The columns of SQLite's answer. */
const COLUMNS = ['cid', 'name', 'type', 'notnull', 'dflt_value', 'pk'] as const;

/** The table of `PRAGMA table_info(TABLE)`; undefined when the statement is another one. */
export function tableOfPragma(sql: string): string | undefined {
  return PRAGMA.exec(sql)?.[2];
}

/** Answers `PRAGMA table_info` as SQLite does, from the API's list of tables: no endpoint is asked. Hidden columns are not in it. */
export async function printTableInfo(env: CommandEnv, name: string, output: Output): Promise<ExitCode> {
  const { columns } = await env.client().call('GET /v1/tables/{name}', { params: { name } });
  const rows = columns
    .filter(({ hidden }) => hidden !== true)
    .map(({ name: column, type }, cid) => [cid, column, type, 0, null, 0] as const);
  const { stdout, env: variables } = env.terminal;
  const objects = rows.map((row) => Object.fromEntries(COLUMNS.map((column, i) => [column, row[i]])));
  switch (output) {
    case 'json':
      await stdout.write(`${safeJson(objects)}\n`);
      break;
    case 'ndjson':
      await stdout.write(objects.map((object) => `${safeJson(object)}\n`).join(''));
      break;
    case 'csv':
      await stdout.write([COLUMNS, ...rows].map((row) => csvLine(row)).join(''));
      break;
    case 'table':
    case 'vertical': {
      const style = styleFor(stdout.isTTY, variables);
      const texts = rows.map((row) => row.map(valueText));
      await stdout.write(
        renderTable(
          {
            headers: [...COLUMNS],
            width: stdout.columns,
            style,
            vertical: output === 'vertical' ? 'always' : undefined,
          },
          texts,
        ),
      );
    }
  }
  return EXIT.complete;
}
