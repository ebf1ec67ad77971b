import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync, cpSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { betweenFolders, circles, importTable, readImports, ROOT, type Import } from '../kit/import-graph.js';

const { PACKAGES, CROSSING, TEST_PACKAGES, DRIVERS, FLOORS, SIMULATED } = await importTable();
const PACKAGE_FOLDERS = Object.keys(PACKAGES);
/** What this project's packages are called in imports. */
const NAMES = PACKAGE_FOLDERS.map((folder) => folder.slice(folder.indexOf('/') + 1));
const sources = (folder: string): string => (CROSSING.includes(folder) ? folder : `${folder}/src`);

describe('the real imports', () => {
  test.each(PACKAGE_FOLDERS)('of %s are in the table', (folder) => {
    const allowed = new Set(PACKAGES[folder]);
    const product = readImports([sources(folder)], { tests: false }).filter(
      ({ from }) => !/\/(testing|fixture)\//.test(from),
    );
    const inTests = readImports([sources(folder)], { tests: true });
    const isAllowed = (name: string): boolean => allowed.has(name) || allowed.has(name.split('/')[0]!);
    expect(ours(product).filter((name) => !isAllowed(name))).toEqual([]);
    expect(ours(inTests).filter((name) => !isAllowed(name) && !TEST_PACKAGES.includes(name.split('/')[0]!))).toEqual(
      [],
    );
  });

  test('of packages form no circle', () => {
    const packages = PACKAGE_FOLDERS.flatMap((from) =>
      PACKAGES[from]!.map((to) => ({ from: from.slice(from.indexOf('/') + 1), to: to.split('/')[0]! })),
    );
    expect(circles(packages)).toEqual([]);
  });

  test.each([...PACKAGE_FOLDERS, ...CROSSING])('of %s go one way between its folders, types included', (folder) => {
    expect(circles(inside(folder, betweenFolders(readImports([sources(folder)], { tests: false }))))).toEqual([]);
  });

  test.each([...PACKAGE_FOLDERS, ...CROSSING])('of %s go one way between its files, types included', (folder) => {
    expect(circles(inside(folder, readImports([sources(folder)], { tests: false })))).toEqual([]);
  });

  test.each(Object.entries(FLOORS))('of %s go down its floors only', (folder, floors) => {
    const imports = inside(folder, readImports([sources(folder)], { tests: false }));
    const wrong = imports.filter(({ from, to }) => {
      const [above, below] = [floorOf(folder, from), floorOf(folder, to)];
      return above !== below && !/\/testing\//.test(from) && !(floors[above]?.includes(below) ?? above === '.');
    });
    expect(wrong).toEqual([]);
    const unused = Object.keys(floors).filter((floor) => !existsSync(join(ROOT, sources(folder), floor)));
    expect(unused).toEqual([]);

    /** The longest listed folder that the file is in; `.` for the root of the package. */
    function floorOf(home: string, file: string): string {
      const path = file.slice(`${sources(home)}/`.length);
      const listed = Object.keys(floors).filter((floor) => path.startsWith(`${floor}/`));
      return (
        listed.sort((one, other) => other.length - one.length)[0] ??
        (path.includes('/') ? `unlisted: ${dirname(path)}` : '.')
      );
    }
  });
});

describe('circles', () => {
  const edges = (text: string): Import[] => text.split(' ').map((edge) => ({ from: edge[0]!, to: edge[1]! }));

  test('are found however long they are, and nothing else is', () => {
    expect(circles(edges('ab bc cd'))).toEqual([]);
    expect(circles(edges('ab ba'))).toEqual([['a', 'b']]);
    expect(circles(edges('xa ab bc cd db ad'))).toEqual([['b', 'c', 'd']]);
  });
});

describe('the lint rules', () => {
  const inner = [...new Set(Object.values(DRIVERS).flat())].filter(
    (home) => !(home in PACKAGES) && !CROSSING.includes(home),
  );
  const folders = [...PACKAGE_FOLDERS.map((folder) => `${folder}/src`), ...inner];
  const drivers = Object.keys(DRIVERS).map((driver) => driver.replace('*', 'x'));
  const stray = '../../../../shared/bus/src/bus.js';
  const parts = [...new Set(Object.values(PACKAGES).flat())].filter((name) => name.includes('/'));
  const own = [...NAMES, ...parts, 'runtime/other'];
  const escape = 'node:fs';
  const targets = [...own.map((name) => `@muster/${name}`), ...drivers, stray, escape];
  let refused: Map<string, Set<string>>;
  let scratch: string;

  beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), 'muster-boundaries-'));
    for (const file of ['oxlint.config.mjs', 'imports.mjs']) cpSync(join(ROOT, file), join(scratch, file));
    symlinkSync(join(ROOT, 'node_modules'), join(scratch, 'node_modules'));
    for (const folder of folders) {
      const file = join(scratch, folder, 'inner', 'probe.ts');
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, targets.map((target, i) => `export * as x${i} from '${target}';\n`).join(''));
    }
    refused = runLint();
  });
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  /** Folder → the imports that were refused in it. */
  function runLint(): Map<string, Set<string>> {
    const args = ['-c', 'oxlint.config.mjs', '-f', 'json', ...folders];
    const { stdout } = spawnSync(join(ROOT, 'node_modules/.bin/oxlint'), args, { cwd: scratch, encoding: 'utf8' });
    const found = new Map<string, Set<string>>(folders.map((folder) => [folder, new Set()]));
    for (const { code, filename, labels } of (JSON.parse(stdout) as { diagnostics: Diagnostic[] }).diagnostics) {
      if (code !== 'eslint(no-restricted-imports)') continue;
      found.get(dirname(dirname(filename)))?.add(targets[labels[0]!.span.line - 1]!);
    }
    return found;
  }

  test.each(Object.entries(PACKAGES))('refuse in %s every package that is not in the table', (folder, allowed) => {
    const expected = own
      .filter((name) => !allowed.includes(name) && !allowed.includes(name.split('/')[0]!))
      .map((name) => `@muster/${name}`);
    const actual = [...refused.get(`${folder}/src`)!].filter((target) => target.startsWith('@muster/'));
    expect(actual.sort()).toEqual(expected.sort());
  });

  test.each(Object.entries(DRIVERS))('refuse the driver %s outside its home', (driver, homes) => {
    for (const folder of folders) {
      const atHome = homes.some((home) => `${folder}/`.startsWith(`${home}/`));
      expect([folder, refused.get(folder)!.has(driver.replace('*', 'x'))]).toEqual([folder, !atHome]);
    }
  });

  test('refuse what reaches past the simulated world, in the code that runs in it and nowhere else', () => {
    for (const folder of PACKAGE_FOLDERS)
      expect([folder, refused.get(`${folder}/src`)!.has(escape)]).toEqual([folder, folder in SIMULATED]);
  });

  test('refuse a relative import that leaves its package everywhere', () => {
    for (const folder of folders) expect([folder, refused.get(folder)!.has(stray)]).toEqual([folder, true]);
  });
});

test('the decision shows the same table', () => {
  const text = readFileSync(join(ROOT, 'docs/decisions/import-boundaries.md'), 'utf8');
  const rows = [...text.matchAll(/^\| (`.+`) +\| (.+?) +\|$/gm)].flatMap(([, folders, allowed]) =>
    [...folders!.matchAll(/`([^`]+)`/g)].map(
      ([, folder]) => [folder!, allowed!.split(', ').filter((name) => name !== 'nothing')] as const,
    ),
  );
  const sorted = (table: Iterable<readonly [string, readonly string[]]>) =>
    Object.fromEntries([...table].map(([folder, names]) => [folder, [...names].sort()]));
  expect(sorted(rows)).toEqual(sorted(Object.entries(PACKAGES)));
});

interface Diagnostic {
  readonly code: string;
  readonly filename: string;
  readonly labels: readonly { readonly span: { readonly line: number } }[];
}

function ours(imports: readonly Import[]): string[] {
  return [...new Set(imports.flatMap(({ to }) => /^@muster\/(.+)/.exec(to)?.[1] ?? []))];
}

function inside(folder: string, imports: readonly Import[]): Import[] {
  return imports.filter(({ to }) => `${to}/`.startsWith(`${sources(folder)}/`));
}
