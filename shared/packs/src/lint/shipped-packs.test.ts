import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { PackLinter } from './lint-pack.js';

const folder = new URL('../../shipped/', import.meta.url);

test.each(readdirSync(folder))('the shipped pack %s has no findings', async (name) => {
  const linter = await PackLinter.open();
  try {
    const { pack, findings } = linter.lint(readFileSync(new URL(name, folder), 'utf8'));
    expect(findings).toEqual([]);
    expect(`${pack?.id}.yaml`).toBe(name);
  } finally {
    linter.close();
  }
});
