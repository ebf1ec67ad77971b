import { describe, expect, it } from '@jest/globals';
import { findTable } from '@muster/tables';
import { SqlAnswers } from '../truth/sql-answers.js';
import { makeMachine } from './machine.js';
import { MACHINE_TABLES } from './machine-tables.js';

const OPTIONS = { seed: 1, uniform: false, labels: {} };

describe('the tables of simulated machines', () => {
  const machines = Array.from({ length: 400 }, (_, index) => makeMachine(OPTIONS, index));

  it('have only columns that the catalogue has, on operating systems that have the table', () => {
    const faults = new Set<string>();
    for (const machine of machines) {
      for (const [name, table] of MACHINE_TABLES[machine.profile.os]) {
        const spec = findTable(name);
        if (spec === undefined || !spec.platforms.includes(machine.profile.os)) faults.add(name);
        const columns = new Set(spec?.columns.map((column) => column.name));
        for (const row of table.rows(machine)) {
          for (const column of Object.keys(row)) if (!columns.has(column)) faults.add(`${name}.${column}`);
        }
      }
    }
    expect([...faults]).toEqual([]);
  });

  it('are of all three operating systems in realistic shares', () => {
    const share = (os: string): number => machines.filter(({ profile }) => profile.os === os).length / machines.length;
    expect(share('linux')).toBeGreaterThan(0.5);
    expect(share('windows')).toBeGreaterThan(0.2);
    expect(share('darwin')).toBeGreaterThan(0.04);
  });

  it('give equal answers within an image, and different ones per host in host tables', async () => {
    const answers = await SqlAnswers.create();
    const web = machines.filter(({ profile, patchLevel }) => profile.role === 'web' && patchLevel === 0);
    const [a, b] = web.filter(({ profile }) => profile.osVersion === '12');
    const packages = 'SELECT * FROM deb_packages';
    expect(answers.expected(a!, packages)).toBe(answers.expected(b!, packages));
    const host = 'SELECT hostname, uuid FROM system_info';
    expect(answers.expected(a!, host)).not.toEqual(answers.expected(b!, host));
    answers.close();
  });

  it('give answers of about equal size to the query of the bench on all uniform machines', async () => {
    const answers = await SqlAnswers.create();
    const uniform = [1, 2, 3].map((index) => makeMachine({ ...OPTIONS, uniform: true }, index));
    const all = uniform.map((machine) => answers.expected(machine, 'SELECT name, version FROM deb_packages LIMIT 6'));
    expect(new Set(all).size).toBe(1);
    answers.close();
  });
});
