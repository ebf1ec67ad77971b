import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { decodeRows, type SqlValue } from '@muster/protocol';
import { createSqlEngine } from '@muster/tables';
import { seededUnit } from '../simulator/machine/seeded.js';
import { randomExpressions } from './expressions.js';

/** `compare:osquery`: calls each function with random arguments in osqueryi and in Muster's engine, and prints where the results differ. */
const { values: flags } = parseArgs({
  options: {
    osqueryi: { type: 'string', default: 'osqueryi' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
    rounds: { type: 'string', default: '300' },
  },
});
let drawn = 0;
const expressions = randomExpressions(
  () => seededUnit(Number(flags.seed), (drawn += 1), 'osquery'),
  Number(flags.rounds),
);
const theirs = askOsquery(expressions);
const ours = await askMuster(expressions);
let differences = 0;
for (const [index, expression] of expressions.entries()) {
  if (isSame(theirs[index], ours[index])) continue;
  differences += 1;
  console.log(`${expression}: osquery ${theirs[index] ?? 'an error'}, Muster ${ours[index] ?? 'an error'}`);
}
console.log(
  `seed ${flags.seed}: ${expressions.length} expressions, ${differences} differ (docs/sql.md lists what differs on purpose)`,
);

/** One process for all; a statement with an error prints nothing. */
function askOsquery(all: readonly string[]): (string | undefined)[] {
  const folder = mkdtempSync(join(tmpdir(), 'muster-osquery-'));
  try {
    const input = all.map((one, index) => `SELECT ${index} AS n, quote(${one}) AS v;\n`).join('');
    const args = [`--database_path=${join(folder, 'db')}`, '--disable_events', '--json'];
    const { stdout, error } = spawnSync(flags.osqueryi, args, { input, encoding: 'utf8', maxBuffer: 1 << 28 });
    if (error !== undefined) throw new Error(`osqueryi cannot be started (--osqueryi PATH): ${error.message}`);
    const results = new Map<number, string>();
    for (const [row] of stdout.matchAll(/\{"n":.*\}/g)) {
      const { n, v } = JSON.parse(row) as { n: string; v: string };
      results.set(Number(n), v);
    }
    return all.map((_, index) => results.get(index));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function askMuster(all: readonly string[]): Promise<(string | undefined)[]> {
  const engine = await createSqlEngine({ tables: [] });
  return all.map((one) => {
    const rows: SqlValue[][] = [];
    const result = engine.execute(`SELECT quote(${one})`, {
      onRows: (chunk) => void rows.push(...decodeRows(chunk, 1)),
    });
    return result.ok ? String(rows[0]?.[0]) : undefined;
  });
}

function isSame(left: string | undefined, right: string | undefined): boolean {
  if (left === right) return true;
  if (left?.includes('.') !== true || right?.includes('.') !== true) return false;
  return Math.abs(Number(left) - Number(right)) <= 1e-13 * Math.abs(Number(right));
}
