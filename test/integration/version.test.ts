import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from '@jest/globals';

const ROOT = join(import.meta.dirname, '../../..');
const run = promisify(execFile);

interface Package {
  readonly name: string;
  readonly version: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
}

const read = (folder: string): Package =>
  JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8')) as Package;
const { version } = read('.');

const folders = (read('.') as Package & { readonly workspaces: readonly string[] }).workspaces.flatMap((pattern) =>
  pattern.endsWith('/*')
    ? readdirSync(join(ROOT, pattern.slice(0, -2))).map((name) => join(pattern.slice(0, -2), name))
    : [pattern],
);

test('all packages have one version, and need each other in that version', () => {
  expect(folders.length).toBeGreaterThan(20);
  for (const { name, version: own, dependencies = {}, devDependencies = {} } of folders.map(read)) {
    const ours = Object.entries({ ...dependencies, ...devDependencies }).filter(([key]) => key.startsWith('@muster/'));
    expect([name, own, ours.filter(([, wanted]) => wanted !== version)]).toEqual([name, version, []]);
  }
});

test('programs and the chart say that version', async () => {
  for (const program of ['services/cli/dist/main.js', 'services/agent/dist/main.js']) {
    const { stdout } = await run(process.execPath, [join(ROOT, program), '--version'], {
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    expect([program, stdout]).toEqual([program, expect.stringMatching(new RegExp(`(^|\\s)${version}\\s*$`))]);
  }
  const chart = readFileSync(join(ROOT, 'k8s/chart/Chart.yaml'), 'utf8');
  expect(/^version: (.*)$/m.exec(chart)?.[1]).toBe(version);
});
