import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { type ActionDefinition, ACTIONS, shapesOf } from '@muster/actions';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const text = readFileSync(join(root, 'docs/actions.md'), 'utf8');
const [, catalogue = ''] = text.split('\n## The catalogue\n');
const rows = catalogue.split('\n').filter((line) => line.startsWith('| `'));
const cellsOf = (name: string): string[] => {
  const row = rows.find((line) => line.startsWith(`| \`${name}\` `)) ?? '';
  return row.split('|').map((cell) => cell.trim());
};

const OFFERED = ACTIONS.filter((action) => action.hidden !== true);
const names = OFFERED.map((action) => action.name);

describe('docs/actions.md', () => {
  test('lists every action of the catalogue exactly once', () => {
    const [first = ''] = catalogue.split('\n\n`undo`');
    const listed = [...first.matchAll(/^\| `([\w.]+)` /gm)].map(([, name]) => name);
    expect(new Set(listed).size).toBe(listed.length);
    expect(new Set(listed)).toEqual(new Set(names));
  });

  test.each(OFFERED)('describes the parameters of $name and whether it can be undone', (action: ActionDefinition) => {
    const [, , , params = '', , undo, destructive] = cellsOf(action.name);
    const listed = [...params.matchAll(/`(\w+)`/g)].map(([, word = '']) => word);
    expect(listed).toEqual(expect.arrayContaining(Object.keys(action.params.shape)));
    expect([undo, destructive]).toEqual([action.reversible ? 'yes' : 'no', action.destructive ? 'yes' : 'no']);
  });

  test.each(OFFERED.filter((action) => action.binds !== undefined && action.name.split('.')[0] !== 'service'))(
    'names the tables and columns to which $name is bound',
    (action: ActionDefinition) => {
      const bound = cellsOf(action.name)[4] ?? '';
      for (const { table } of shapesOf(action)) expect(bound).toContain(`\`${table}\``);
    },
  );
});
