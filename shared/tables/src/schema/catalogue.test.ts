import { describe, expect, it } from '@jest/globals';
import { createSqlEngine } from '../engine/sql-engine.js';
import { findTable, TABLES } from './catalogue.js';
import { COSTED_TABLES } from './table-cost.js';

describe('the catalogue', () => {
  it('has unique table names and unique column names', () => {
    expect(new Set(TABLES.map((table) => table.name)).size).toBe(TABLES.length);
    for (const table of TABLES) {
      expect(new Set(table.columns.map((column) => column.name)).size).toBe(table.columns.length);
      expect(table.platforms.length).toBeGreaterThan(0);
      for (const name of table.requiresOneOf ?? []) {
        expect(table.columns.find((column) => column.name === name)?.pushdown).toBeDefined();
      }
    }
  });

  it('has names without quotes, and all descriptions', () => {
    for (const table of TABLES) {
      for (const { name, description } of [table, ...table.columns]) {
        expect(name).toMatch(/^[a-z][a-z0-9_]*$/);
        expect(description).not.toBe('');
      }
    }
  });

  it('compiles a statement for every table', async () => {
    const engine = await createSqlEngine({ tables: TABLES });
    for (const table of TABLES) {
      const where = table.requiresOneOf === undefined ? '' : ` WHERE ${table.requiresOneOf[0]} = 'x'`;
      expect(engine.compile(`SELECT * FROM ${table.name}${where}`)).toMatchObject({
        ok: true,
        tables: [table.name],
        columns: table.columns.filter((column) => column.hidden !== true).map(({ name, type }) => ({ name, type })),
      });
    }
    expect(engine.compile('SELECT * FROM file')).toMatchObject({ ok: false, code: 'missing_constraint' });
    expect(engine.compile('SELECT * FROM registry')).toMatchObject({ ok: false, code: 'missing_constraint' });
    engine.close();
  });

  it('says of every table what it costs, and names none twice or that is not there', () => {
    expect(TABLES.filter(({ cost, costNote }) => cost === undefined || costNote === undefined)).toEqual([]);
    expect(COSTED_TABLES.filter((name) => findTable(name) === undefined)).toEqual([]);
    expect(new Set(COSTED_TABLES).size).toBe(COSTED_TABLES.length);
    const noteOf = (name: string) => findTable(name)?.costNote;
    expect(noteOf('uptime')).toBe('Reads a few files of the machine: cheap.');
    expect(noteOf('processes')).toBe('Reads every process; less with pid given.');
    expect(noteOf('hash')).toBe(
      'Reads the content of each file that it finds; needs a condition on path or directory.',
    );
  });

  it('finds a table by name, ignoring case', () => {
    expect(findTable('Processes')?.name).toBe('processes');
    expect(findTable('nope')).toBeUndefined();
  });
});
