import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from '@jest/globals';
import { clusterFiles, generatedFiles } from './generate.js';

const FOLDER = fileURLToPath(new URL('../', import.meta.url));
const files = new Map([...generatedFiles(), ...clusterFiles()]);

describe('the files that Grafana and Prometheus read', () => {
  test.each([...files].map(([path, text]) => [relative(FOLDER, path), path, text] as const))(
    '%s is what the sources say; `npm run dashboards` writes it anew',
    (_name, path, text) => {
      expect(readFileSync(path, 'utf8')).toBe(text);
    },
  );

  test('there are no others beside them', () => {
    for (const folder of new Set([...files.keys()].map(dirname))) {
      const made = [...files.keys()].filter((path) => dirname(path) === folder);
      expect(
        readdirSync(folder)
          .map((name) => join(folder, name))
          .sort(),
      ).toEqual(made.sort());
    }
  });

  test('links lead to the runbook of the installation that makes them', () => {
    const elsewhere = [...generatedFiles('https://wiki.example/muster').values()].join('\n');
    expect(elsewhere).toContain('https://wiki.example/muster#mustergatewaydown');
    expect(elsewhere).not.toContain('docs/operations.md');
  });
});
