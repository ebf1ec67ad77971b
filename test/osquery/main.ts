import { parseArgs } from 'node:util';
import { decodeRows, type SqlValue } from '@muster/protocol';
import { createSqlEngine } from '@muster/tables';
import { seededUnit } from '../simulator/machine/seeded.js';
import { randomExpressions } from './expressions.js';
import { askOsqueryi, findOsqueryi } from './box/osqueryi.js';
import { isSameValue } from './same-value.js';

/** `compare:osquery`: calls each function with random arguments in osqueryi and in Muster's engine, and prints where the results differ. */
const { values: flags } = parseArgs({
  options: {
    osqueryi: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 100_000) },
    rounds: { type: 'string', default: '300' },
  },
});
const osqueryi = await findOsqueryi(flags.osqueryi);
if (osqueryi === undefined) throw new Error('there is no osqueryi (--osqueryi PATH), and none can be fetched');
let drawn = 0;
const expressions = randomExpressions(
  () => seededUnit(Number(flags.seed), (drawn += 1), 'osquery'),
  Number(flags.rounds),
);
const answers = await askOsqueryi(
  osqueryi,
  expressions.map((one) => `SELECT quote(${one}) AS v`),
);
const ours = await askMuster(expressions);
let differences = 0;
for (const [index, expression] of expressions.entries()) {
  const theirs = answers[index]?.[0]?.['v'];
  if (isSameValue(theirs, ours[index])) continue;
  differences += 1;
  console.log(`${expression}: osquery ${theirs ?? 'an error'}, Muster ${ours[index] ?? 'an error'}`);
}
console.log(
  `seed ${flags.seed}: ${expressions.length} expressions, ${differences} differ (docs/sql.md lists what differs on purpose)`,
);

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
