import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

/**
 * The import table once more, in its own words: what `.oxlintrc.json` allows is compared with this by feeding the checker a file that imports
 * everything. A rule that was lost, or that a later override has replaced, shows here.
 */
const TABLE: Record<string, readonly string[]> = {
  'shared/protocol': [],
  'shared/tables': ['protocol'],
  'shared/actions': ['protocol'],
  'shared/runtime': ['protocol'],
  'shared/identity': ['protocol'],
  'shared/bus': ['protocol', 'runtime'],
  'shared/registry': ['protocol', 'runtime'],
  'shared/directory': ['protocol', 'runtime', 'bus'],
  'shared/audit': ['protocol', 'runtime', 'bus'],
  'services/gateway': ['protocol', 'runtime', 'identity', 'tables', 'actions', 'bus', 'registry', 'directory', 'audit'],
  'services/query': ['protocol', 'runtime', 'identity', 'tables', 'actions', 'bus', 'registry', 'directory', 'audit'],
  'services/command': ['protocol', 'runtime', 'identity', 'tables', 'actions', 'bus', 'registry', 'directory', 'audit'],
  'services/api': ['protocol', 'runtime', 'identity', 'tables', 'actions', 'bus', 'registry', 'directory', 'audit'],
  'services/agent': ['protocol', 'runtime', 'identity', 'tables', 'actions'],
  'services/cli': ['protocol', 'runtime', 'identity', 'tables', 'actions'],
  'deploy/local': ['protocol', 'runtime', 'identity'],
};
const PACKAGES = [
  'protocol',
  'runtime',
  'identity',
  'tables',
  'actions',
  'bus',
  'registry',
  'directory',
  'audit',
  'gateway',
  'query',
  'command',
  'api',
  'agent',
  'cli',
  'local',
];
const DRIVERS: Record<string, readonly string[]> = {
  '@nats-io/transport-node': ['shared/bus'],
  ioredis: ['shared/registry'],
  'uWebSockets.js': ['services/gateway/src/edge/transport'],
  express: ['services/api'],
};
const STRAY = '../../../../shared/bus/src/bus.js';

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const folders = [...Object.keys(TABLE).map((folder) => `${folder}/src`), 'services/gateway/src/edge/transport'];
let refused: Map<string, Set<string>>;
let scratch: string;

beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'muster-boundaries-'));
  copyFileSync(join(root, '.oxlintrc.json'), join(scratch, '.oxlintrc.json'));
  const targets = [...PACKAGES.map((name) => `@muster/${name}`), ...Object.keys(DRIVERS), STRAY];
  for (const folder of folders) {
    const file = join(scratch, folder, 'inner', 'probe.ts');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, targets.map((target, i) => `export * as x${i} from '${target}';\n`).join(''));
  }
  refused = runChecker(targets);
});

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Folder → the imports that the checker refused there. */
function runChecker(targets: readonly string[]): Map<string, Set<string>> {
  const result = spawnSync(join(root, 'node_modules/.bin/oxlint'), ['-f', 'json', '.'], {
    cwd: scratch,
    encoding: 'utf8',
  });
  const report = JSON.parse(result.stdout) as { diagnostics: Diagnostic[] };
  const found = new Map<string, Set<string>>(folders.map((folder) => [folder, new Set()]));
  for (const { code, filename, labels } of report.diagnostics) {
    if (code !== 'eslint(no-restricted-imports)') continue;
    found.get(dirname(dirname(filename)))?.add(targets[labels[0]!.span.line - 1]!);
  }
  return found;
}

interface Diagnostic {
  readonly code: string;
  readonly filename: string;
  readonly labels: readonly { readonly span: { readonly line: number } }[];
}

describe('the boundary checker', () => {
  test.each(Object.entries(TABLE))('%s may import of ours exactly what the table says', (folder, allowed) => {
    const expected = PACKAGES.filter((name) => !allowed.includes(name)).map((name) => `@muster/${name}`);
    const actual = [...refused.get(`${folder}/src`)!].filter((target) => target.startsWith('@muster/'));
    expect(actual.sort()).toEqual(expected.sort());
  });

  test.each(Object.entries(DRIVERS))('the driver %s is imported only where it belongs', (driver, homes) => {
    for (const folder of folders) {
      const atHome = homes.some((home) => `${folder}/`.startsWith(`${home}/`));
      expect([folder, refused.get(folder)!.has(driver)]).toEqual([folder, !atHome]);
    }
  });

  test('a relative import that leaves its package is refused everywhere', () => {
    for (const folder of folders) expect([folder, refused.get(folder)!.has(STRAY)]).toEqual([folder, true]);
  });
});
