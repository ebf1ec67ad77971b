/**
 * `npm test`: works from a fresh clone. Installs, builds, lints, runs each package's tests, then those across programs. The last line is
 * `N passed, N failed`, summed over all test runs. Runs from turbo's cache count too: the counts are among the cached outputs.
 *
 * Few test files that failed run once more, each alone. Where all pass then, the run passes and names them as flaky: a
 * bug, but no reason to hold a change. `npm test -- --once` runs nothing again.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join, relative } from 'node:path';
import { lint } from './lint.mjs';
import { ROOT, TOOL_ENV, build, ensureInstalled, requireNode, turbo } from './workspace.mjs';

const INTEGRATION = '@muster/test';
/** More files than this do not fail by chance. */
const FLAKY_FILES = 6;
/** Bundled for the tests, and where. */
const STARTED = ['gateway', 'query', 'command', 'telemetry', 'posture', 'api', 'setup', 'agent', 'cli'];
const PROGRAMS = join(ROOT, 'dist/programs');
const TEST_ENV = { ...TOOL_ENV, FORCE_COLOR: '0', MUSTER_TEST_PROGRAMS: PROGRAMS };
/** How many of the slowest files are named. */
const SLOWEST = 20;

requireNode();
ensureInstalled();
for (const folder of packageFolders()) rmSync(join(folder, '.jest'), { recursive: true, force: true });

const failures = [];
if ((await build({ quiet: true })) !== 0) failures.push('build');
const linted = failures.length === 0 ? await lint() : { passed: 0, failed: 0 };
if (linted.failed > 0) failures.push('lint');
if (!failures.includes('build')) {
  if (!bundled()) failures.push('bundles');
  await ensurePrograms();
  if ((await runTests(`--filter=!${INTEGRATION}`)) !== 0) failures.push('package tests');
  if ((await runTests(`--filter=${INTEGRATION}`)) !== 0) failures.push('integration tests');
}
report();

/**
 * Installs the programs that tests start. This happens before the tests: they run in parallel, and a package manager takes one
 * installation at a time. A program that cannot be installed is no failure here; the tests that need it fail.
 */
async function ensurePrograms() {
  const { ensureBinary } = await import('../dist/brokers/find-broker.js');
  const { createLogger } = await import('@muster/runtime');
  const logger = createLogger({ service: 'test', pretty: true });
  const programs = [
    ['nats-server', 'nats-server'],
    ['redis-server', 'redis-server'],
    ['redis-cli', 'redis-tools'],
    ['haproxy', 'haproxy'],
    ['prometheus', 'prometheus'],
    ['promtool', 'prometheus'],
    ['nft', 'nftables'],
    ['ip', 'iproute2'],
  ];
  for (const [program, aptPackage] of programs) {
    await ensureBinary(program, aptPackage, { logger }).catch((error) => console.error(error.message));
  }
}

/** Each program as one file: those that tests start, some hundred times, load in less than half of the time. */
function bundled() {
  const args = ['deploy/images/bundle.mjs', '--out', PROGRAMS, '--abi', process.versions.modules, ...STARTED];
  return spawnSync(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit'] }).status === 0;
}

/** Three packages are tested at a time, each on half of the cores (jest.config.js): tests wait for processes and times half of the time. */
function runTests(filter) {
  const args = [
    'run',
    'test',
    filter,
    '--concurrency=3',
    '--continue=always',
    '--output-logs=new-only',
    '--log-order=grouped',
  ];
  return turbo(args, { env: TEST_ENV });
}

function report() {
  const total = { passed: 0, failed: 0, skipped: 0 };
  const failed = [];
  const seconds = [];
  for (const folder of packageFolders()) {
    for (const counts of readCounts(folder)) {
      for (const [file, took] of counts.seconds ?? []) seconds.push([took, relative(ROOT, join(folder, file))]);
      for (const key of Object.keys(total)) total[key] += counts[key] ?? 0;
      for (const failure of counts.failures ?? []) failed.push({ folder, ...failure });
    }
  }
  console.log(`slowest: ${longest(seconds)}`);
  const computed = packageFolders().flatMap(readProcessorTimes);
  const minutes = Math.round(computed.reduce((sum, [took]) => sum + took, 0) / 60);
  console.log(`processor time: ${minutes} minutes, most of it: ${longest(computed)}`);
  if (failures.length > 0) console.log(`FAILED: ${failures.join(', ')}`);
  for (const { folder, file, test, why } of failed) {
    console.log(`failed: ${relative(ROOT, join(folder, file))} › ${test}`);
    if (why) console.log(why.replaceAll(/^/gm, '    '));
  }
  if (total.failed === failed.length && passedAgain(failed)) {
    for (const { folder, file, test } of failed) console.log(`flaky: ${relative(ROOT, join(folder, file))} › ${test}`);
    total.passed += total.failed;
    total.failed = 0;
    failures.length = 0;
  }
  // A failure without a failed test (build, lint, a crash) counts as one, so that the last line is never "0 failed".
  const count = total.failed === 0 && failures.length > 0 ? failures.length : total.failed;
  console.log(`${total.passed} passed, ${count} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
  process.exitCode = count > 0 ? 1 : 0;
}

/** The files that took longest, of pairs of seconds and file. */
function longest(pairs) {
  return pairs
    .sort(([a], [b]) => b - a)
    .slice(0, SLOWEST)
    .map(([took, file]) => `${file} ${Math.round(took)} s`)
    .join(', ');
}

/** Of jest's environment: pairs of seconds of processor time and file. */
function readProcessorTimes(folder) {
  const path = join(folder, '.jest/processor.ndjson');
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line)).map(([file, took]) => [took, relative(ROOT, join(folder, file))]);
}

/** Runs the files of failed tests once more, each alone. */
function passedAgain(failed) {
  const files = new Map(failed.map(({ folder, file }) => [join(folder, file), { folder, file }]));
  if (process.argv.includes('--once') || files.size === 0 || files.size > FLAKY_FILES) return false;
  if (failures.some((failure) => !failure.endsWith('tests'))) return false;
  // All of them, also after one that failed again: each says something.
  const results = [...files.values()].map(({ folder, file }) => {
    console.log(`once more, alone: ${relative(ROOT, join(folder, file))}`);
    const { status } = spawnSync('npm', ['test', '--', '--runTestsByPath', file], {
      cwd: folder,
      stdio: 'inherit',
      env: { ...process.env, ...TEST_ENV },
    });
    return status === 0;
  });
  return results.every(Boolean);
}

/** One for each run of jest in the package. */
function readCounts(folder) {
  try {
    const runs = join(folder, '.jest');
    const names = readdirSync(runs).filter((name) => name.endsWith('.json'));
    return names.map((name) => JSON.parse(readFileSync(join(runs, name), 'utf8')));
  } catch (error) {
    if (error.code === 'ENOENT') return [];
    throw error;
  }
}

function packageFolders() {
  const within = (parent) => readdirSync(join(ROOT, parent)).map((name) => join(ROOT, parent, name));
  return [...within('shared'), ...within('services'), ...within('deploy'), join(ROOT, 'test')];
}
