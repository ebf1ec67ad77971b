import { DEFAULT_BUDGET, decodeRows, LIMITS, type SqlValue, sqlValueToJson } from '@muster/protocol';
import { createLocalEngine } from './worker/local-engine.js';
import { runRequest } from './worker/run-request.js';

export type Output = 'table' | 'json' | 'ndjson';

/** A person at a terminal can wait longer than a fleet query, and can stop it with Ctrl-C. */
const BUDGET = { ...DEFAULT_BUDGET, ms: 600_000, rows: 1_000_000, bytes: 256 * 1024 * 1024 };

const ELSEWHERE = 'only the running agent has what was recorded: ask it through its gateway';

/** `muster-agent sql`: runs a statement on this machine, as this user, without a gateway. */
export async function sql(statement: string, output: Output): Promise<number> {
  const engine = await createLocalEngine({ events: () => ({ fault: ELSEWHERE }) });
  const chunks: Uint8Array[] = [];
  const request = { sql: statement, budget: BUDGET, chunkBytes: LIMITS.chunkBytes };
  const { columns, failure, warnings = [] } = runRequest(engine, request, (rows) => void chunks.push(rows));
  if (failure !== undefined) {
    process.stderr.write(`muster-agent: ${failure.code}: ${failure.message}\n`);
    return 1;
  }
  for (const { code, count, message } of warnings)
    process.stderr.write(`muster-agent: ${code}, ${count} in all: ${cell(message)}\n`);
  const rows = chunks.flatMap((chunk) => decodeRows(chunk, columns.length));
  process.stdout.write(format(columns, rows, output));
  return 0;
}

function format(columns: readonly string[], rows: readonly SqlValue[][], output: Output): string {
  if (output === 'table') return formatTable(columns, rows);
  const objects = rows.map((row) =>
    Object.fromEntries(columns.map((name, i) => [name, sqlValueToJson(row[i] ?? null)])),
  );
  if (output === 'json') return `${JSON.stringify(objects, undefined, 2)}\n`;
  return objects.map((one) => `${JSON.stringify(one)}\n`).join('');
}

function formatTable(columns: readonly string[], rows: readonly SqlValue[][]): string {
  const lines = [columns.map((name) => name.toUpperCase()), ...rows.map((row) => row.map(cell))];
  const widths = columns.map((_, i) => lines.reduce((widest, line) => Math.max(widest, line[i]?.length ?? 0), 0));
  return lines
    .map(
      (line) =>
        `${line
          .map((text, i) => text.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

function cell(value: SqlValue): string {
  if (value === null) return '';
  if (value instanceof Uint8Array) return `X'${Buffer.from(value).toString('hex').toUpperCase()}'`;
  // Control characters in a value must not reach the terminal.
  return String(value).replaceAll(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
