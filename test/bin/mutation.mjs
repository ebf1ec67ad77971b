/**
 * `npm run mutation -- NAME`: changes one expression after another in the compiled code of a package and looks whether
 * a test fails. Prints each change that no test noticed, and the part that tests noticed; ends with 1 when that is
 * below the goal. `../mutation/targets.mjs` has the names.
 *
 * With `--quick` it leaves out what runs while a module is loaded (tables, schemas): each of those changes needs a process of its own.
 *
 * It works in a copy, so that an interrupted run leaves nothing behind in the tree. The tester is installed in its own
 * folder at the first run.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { SourceMap } from 'node:module';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { ensureInstalled, requireNode, ROOT, run, tool, TOOL_ENV } from '../../deploy/local/bin/workspace.mjs';
import { EQUIVALENTS } from '../mutation/equivalents.mjs';
import { GOAL, LIMIT_MS, TARGETS } from '../mutation/targets.mjs';

const TESTER = join(ROOT, 'test', 'mutation');
const LEFT_OUT = new Set(['node_modules', '.git', '.turbo', '.muster', '.jest', 'results']);

const isQuick = process.argv.includes('--quick');
const name = process.argv.slice(2).find((argument) => argument !== '--quick');
const target = Object.hasOwn(TARGETS, name ?? '') ? TARGETS[name] : undefined;
if (target === undefined) {
  console.error(`npm run mutation -- NAME [--quick], where NAME is one of ${Object.keys(TARGETS).join(', ')}`);
  process.exit(2);
}
requireNode();
ensureInstalled();
ensureTester();
const built = await run(tool('tsc'), ['-b', target.folder], { quiet: true });
if (built !== 0) process.exit(built);

const copy = mkdtempSync(join(tmpdir(), 'muster-mutation-'));
try {
  copyWorkspace();
  const report = await mutate();
  process.exitCode = report === undefined ? 1 : summarise(report);
} finally {
  rmSync(copy, { recursive: true, force: true });
}

function ensureTester() {
  if (existsSync(join(TESTER, 'node_modules', '@stryker-mutator', 'core'))) return;
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: TESTER,
    env: TOOL_ENV,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  if (status !== 0) process.exit(1);
}

/** Everything but the installed packages, which the copy shares; packages of the workspace are those of the copy. */
function copyWorkspace() {
  cpSync(ROOT, copy, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => path === ROOT || !(LEFT_OUT.has(basename(path)) || isLeftOver(path)),
  });
  const folders = [
    '',
    ...['shared', 'services'].flatMap((parent) => readdirSync(join(ROOT, parent)).map((each) => join(parent, each))),
  ];
  for (const folder of [...folders, 'deploy/local', 'test']) shareModules(join(ROOT, folder), join(copy, folder));
}

/** A compiled file whose source is no longer there. */
function isLeftOver(path) {
  const [, base] = /^(.*\/dist\/.*?)\.(?:d\.ts|js)(?:\.map)?$/.exec(path) ?? [];
  return (
    base !== undefined && !['src', '.'].some((folder) => existsSync(`${base.replace('/dist/', `/${folder}/`)}.ts`))
  );
}

function shareModules(from, to) {
  const modules = join(from, 'node_modules');
  if (!existsSync(modules)) return;
  mkdirSync(join(to, 'node_modules'));
  for (const entry of readdirSync(modules)) {
    const [source, place] = [join(modules, entry), join(to, 'node_modules', entry)];
    // Links into the workspace are relative, so they lead into the copy there.
    if (entry === '@muster') cpSync(source, place, { recursive: true, verbatimSymlinks: true });
    else if (entry === '@jest') shareJest(source, place);
    else symlinkSync(source, place);
  }
}

/** All but what tests import. */
function shareJest(from, to) {
  mkdirSync(to);
  for (const entry of readdirSync(from)) {
    symlinkSync(entry === 'globals' ? join(TESTER, 'jest-globals') : join(from, entry), join(to, entry));
  }
}

async function mutate() {
  const cwd = join(copy, target.folder);
  const config = {
    packageManager: 'npm',
    inPlace: true,
    mutate: [
      ...target.mutate.map((glob) => `dist/${glob}`),
      '!dist/**/*.test.js',
      '!dist/**/testing/**',
      '!dist/**/main.js',
    ],
    ignorers: ['texts'],
    plugins: ['@stryker-mutator/mocha-runner', join(TESTER, 'texts.cjs')],
    testRunner: 'mocha',
    mochaOptions: { spec: target.tests.map((glob) => `dist/${glob}`), 'no-config': true, 'no-package': true },
    coverageAnalysis: 'perTest',
    ignoreStatic: isQuick,
    concurrency: Number(process.env['MUSTER_MUTATION_WORKERS'] ?? 2),
    timeoutMS: 5_000,
    timeoutFactor: 1.5,
    disableTypeChecks: false,
    reporters: ['json', 'progress-append-only'],
    jsonReporter: { fileName: 'mutation.json' },
    tempDirName: '.stryker-tmp',
    allowConsoleColors: false,
  };
  writeFileSync(join(cwd, 'stryker.config.json'), JSON.stringify(config));
  const limit = setTimeout(() => process.emit('SIGTERM', 'SIGTERM'), LIMIT_MS);
  const code = await run(process.execPath, [join(TESTER, 'node_modules/@stryker-mutator/core/bin/stryker.js'), 'run'], {
    cwd,
  });
  clearTimeout(limit);
  const file = join(cwd, 'mutation.json');
  if (code !== 0 || !existsSync(file)) return undefined;
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** Prints what survived, and the score by file. Returns the exit code. */
function summarise({ files }) {
  const unused = new Set(EQUIVALENTS.filter(({ target: of }) => of === name));
  const total = { noticed: 0, all: 0 };
  for (const [path, { source, mutants }] of Object.entries(files)) {
    const counted = { noticed: 0, all: 0 };
    const map = sourceMapOf(join(copy, target.folder, path));
    for (const mutant of mutants) {
      if (['Ignored', 'CompileError', 'RuntimeError'].includes(mutant.status)) continue;
      const code = textOf(source, mutant.location);
      const known = EQUIVALENTS.find(
        (each) =>
          each.target === name && path.endsWith(each.file) && each.code === code && each.to === mutant.replacement,
      );
      const isNoticed = mutant.status === 'Killed' || mutant.status === 'Timeout';
      if (known !== undefined) unused.delete(known);
      if (known !== undefined && !isNoticed) continue;
      counted.all += 1;
      if (isNoticed) counted.noticed += 1;
      else
        console.log(
          `${mutant.status} ${placeOf(map, path, mutant.location)} ${mutant.mutatorName}\n  - ${code}\n  + ${mutant.replacement}`,
        );
    }
    console.log(`${percent(counted)} ${counted.noticed}/${counted.all} ${path}`);
    total.noticed += counted.noticed;
    total.all += counted.all;
  }
  for (const { file, code } of unused) console.log(`no longer there, take it out of equivalents.mjs: ${file}: ${code}`);
  console.log(
    `${name}${isQuick ? ' --quick' : ''}: tests notice ${percent(total)} of the changes (${total.noticed} of ${total.all})`,
  );
  return (100 * total.noticed) / total.all >= GOAL ? 0 : 1;
}

function percent({ noticed, all }) {
  return all === 0 ? 'n/a' : `${((100 * noticed) / all).toFixed(1)} %`;
}

function textOf(source, { start, end }) {
  const lines = source.split('\n').slice(start.line - 1, end.line);
  lines[lines.length - 1] = lines.at(-1).slice(0, end.column - 1);
  lines[0] = lines[0].slice(start.column - 1);
  return lines.join('\n');
}

function sourceMapOf(file) {
  return existsSync(`${file}.map`) ? new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8'))) : undefined;
}

/** Where the mutated code is in the source. */
function placeOf(map, path, { start }) {
  const entry = map?.findEntry(start.line - 1, start.column - 1);
  if (entry?.originalLine === undefined) return `${path}:${start.line}`;
  return `${relative('dist', path).replace(/\.js$/, '.ts')}:${entry.originalLine + 1}`;
}
