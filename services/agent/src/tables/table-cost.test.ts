import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type TableCost, TABLES } from '@muster/tables';
import { LinuxTables } from './table-fixture.js';

/** Files that a table of the cheapest kind may read: what a machine has a handful of, such as disks and cards. */
const FEW = 2_000;

describe('what tables cost', () => {
  let tables: LinuxTables;
  let touched: string[] = [];
  beforeAll(async () => {
    tables = await LinuxTables.open('/', { touch: (path) => touched.push(path) });
  });
  afterAll(() => tables.close());

  const linux = TABLES.filter(({ name, platforms, requiresOneOf }) => {
    return platforms.includes('linux') && requiresOneOf === undefined && !name.startsWith('docker_');
  });

  /** What the collector did, as the kind of a table that says so. */
  function seen(name: string): readonly TableCost[] {
    touched = [];
    tables.query(`SELECT * FROM ${name}`);
    const has = (pattern: RegExp): boolean => touched.some((path) => pattern.test(path));
    const kinds: [TableCost, boolean][] = [
      ['processes', has(/^\/proc\/1\//)],
      ['homes', has(/^\/root\/./)],
      ['program', touched.includes('')],
    ];
    return kinds.flatMap(([kind, isSeen]) => (isSeen ? [kind] : []));
  }

  it.each(linux.map(({ name, cost }) => [name, cost] as const))('%s: %s', (name, cost) => {
    const kinds = seen(name);
    if (cost === 'processes' || cost === 'homes') expect(kinds).toContain(cost);
    else expect(kinds.filter((kind) => kind !== 'program')).toEqual([]);
    if (cost === 'few_files') expect([kinds, touched.length < FEW]).toEqual([[], true]);
  });
});
