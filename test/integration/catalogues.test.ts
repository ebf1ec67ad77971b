import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { catalogueFiles } from '../kit/catalogues/catalogue-files.js';

const read = (text: string): unknown => JSON.parse(text);

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
