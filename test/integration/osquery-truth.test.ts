import { beforeAll, describe, expect, test } from '@jest/globals';
import { decodeRows, type SqlValue } from '@muster/protocol';
import { createSqlEngine, TABLES } from '@muster/tables';
import type { BoxOutput } from '../osquery/box/main.js';
import { CASES } from '../osquery/cases.js';
import { compareRows } from '../osquery/box/compare-rows.js';
import { randomExpressions } from '../osquery/expressions.js';
import { KNOWN, withoutKnown } from '../osquery/known-differences.js';
import { findOsqueryi } from '../osquery/box/osqueryi.js';
import { isOnPurpose, isSameValue } from '../osquery/same-value.js';
import { askInBox, boxObstacle } from '../osquery/truth.js';
import { seededUnit } from '../simulator/machine/seeded.js';

const osqueryi = await findOsqueryi();
const obstacle = osqueryi === undefined ? 'osqueryi is not to be had' : await boxObstacle();
if (obstacle !== undefined) process.stderr.write(`tables and functions are NOT compared with osquery: ${obstacle}\n`);
const withOsquery = obstacle === undefined ? describe : describe.skip;

const SEEDS = [1, 2, 3] as const;
const ROUNDS = 20;
const EXPRESSIONS = SEEDS.flatMap((seed) => {
  let drawn = 0;
  return randomExpressions(() => seededUnit(seed, (drawn += 1), 'osquery'), ROUNDS);
});

withOsquery('beside osqueryi 5.20 on a machine that holds still', () => {
  let output: BoxOutput;
  beforeAll(async () => {
    output = await askInBox(osqueryi ?? '', { cases: CASES, expressions: EXPRESSIONS });
  }, 120_000);

  const readingsOf = (table: string): BoxOutput['readings'][number] =>
    output.readings[CASES.findIndex((one) => one.table === table)] ?? { before: [], theirs: [], after: [] };

  test.each(CASES.map((one) => [one.table, one] as const))('%s has its columns and its rows', (table, one) => {
    const columns = output.columns[CASES.indexOf(one)] ?? [];
    const ours = TABLES.find(({ name }) => name === table)?.columns.map(({ name }) => name) ?? [];
    expect(columns.filter((name) => !ours.includes(name))).toEqual([]);
    expect(columns).not.toEqual([]);
    expect(compareRows(one, withoutKnown(table, readingsOf(table)))).toEqual([]);
  });

  test.each(
    KNOWN.flatMap(({ why, tables }) =>
      Object.entries(tables).map(([table, one]) => [table, `${why} (${one.what})`, one] as const),
    ),
  )('%s is different on purpose: %s', (table, _, one) => {
    const { theirs, before } = readingsOf(table);
    expect(one.shows(theirs, before)).toBe(true);
  });

  test('each table that both have is compared', () => {
    const both = TABLES.filter(({ name, platforms }) => platforms.includes('linux') && output.tables.includes(name));
    const compared = new Set(CASES.map(({ table }) => table));
    expect(output.tables.length).toBeGreaterThan(150);
    expect(both.map(({ name }) => name).filter((name) => !compared.has(name))).toEqual([]);
  });

  test('no more than fifteen differences stay', () => {
    expect(KNOWN.length).toBeLessThanOrEqual(15);
  });

  test('functions and collations give the same on generated arguments', async () => {
    const engine = await createSqlEngine({ tables: [] });
    const differences = EXPRESSIONS.flatMap((expression, index) => {
      const rows: SqlValue[][] = [];
      const result = engine.execute(`SELECT quote(${expression})`, {
        onRows: (chunk) => void rows.push(...decodeRows(chunk, 1)),
      });
      const ours = result.ok ? String(rows[0]?.[0]) : undefined;
      const theirs = output.expressions[index] ?? undefined;
      return isSameValue(theirs, ours) || isOnPurpose(expression, theirs, ours)
        ? []
        : [`${expression}: osquery ${theirs}, Muster ${ours}`];
    });
    engine.close();
    expect(output.expressions.filter((value) => typeof value === 'string').length).toBeGreaterThan(
      EXPRESSIONS.length / 2,
    );
    expect(differences).toEqual([]);
  });
});
