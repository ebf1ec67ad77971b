import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { TABLE_COSTS, TABLES } from '@muster/tables';
import { catalogueFiles } from '../kit/catalogues/catalogue-files.js';

const read = (text: string): unknown => JSON.parse(text);

describe('docs/sql.md', () => {
  it('has what each kind of tables costs, and which tables of Linux are of it', () => {
    const text = readFileSync(new URL('../../../docs/sql.md', import.meta.url), 'utf8');
    const rows = [...text.matchAll(/^\| `(\w+)` +\| ([^|]*?) +\| ([^|]*?) +\|$/gm)];
    const listed = rows.flatMap(([, kind = '', meaning, tables = '']) =>
      kind in TABLE_COSTS ? [[kind, meaning, [...tables.matchAll(/`(\w+)`/g)].map(([, name]) => name)]] : [],
    );
    const isOfLinux = (name: string) => TABLES.find((one) => one.name === name)?.platforms.includes('linux');
    const wanted = Object.entries(TABLE_COSTS).map(([kind, meaning]) => {
      const names = TABLES.filter(({ cost, name }) => cost === kind && isOfLinux(name)).map(({ name }) => name);
      return [kind, meaning, kind === 'few_files' ? [] : names];
    });
    expect(listed).toEqual(wanted);
  });
});

describe('the catalogues beside the test vectors', () => {
  it.each([...catalogueFiles()].map(([path, text]) => [basename(path), path, text] as const))(
    '%s says what the code says; `node test/bin/run.mjs kit/catalogues` writes it anew',
    (_name, path, text) => {
      expect(read(readFileSync(path, 'utf8'))).toEqual(read(text));
    },
  );

  it('say of each parameter what its schema cannot', () => {
    const [, text = ''] = [...catalogueFiles()].find(([path]) => path.endsWith('actions.json')) ?? [];
    const { actions } = read(text) as { actions: { name: string; rules: Record<string, string[]> }[] };
    const rulesOf = (name: string) => actions.find((action) => action.name === name)?.rules;
    expect(rulesOf('file.quarantine')?.['path']).toContain('a path must be absolute');
    expect(rulesOf('process.kill')?.['name']).toContain('a process name has no folder; use path');
    expect(rulesOf('undo')?.['command']).toContain('a command id must not have control characters');
  });
});
