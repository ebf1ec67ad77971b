/**
 * `npm test`: everything from a fresh clone to the verdict. Installs, builds, lints, runs each package's tests, then those that cross programs.
 * Its last line is `N passed, N failed`, summed over all test runs; runs that turbo answered from its cache count too, because the counts are
 * among the outputs it keeps.
 */
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { lint } from './lint.mjs';
import { ROOT, TOOL_ENV, build, ensureInstalled, requireNode, turbo } from './workspace.mjs';

const INTEGRATION = '@muster/test';

requireNode();
ensureInstalled();
for (const folder of packageFolders()) rmSync(join(folder, '.jest'), { recursive: true, force: true });

const failures = [];
if ((await build({ quiet: true })) !== 0) failures.push('build');
const linted = failures.length === 0 ? await lint() : { passed: 0, failed: 0 };
if (linted.failed > 0) failures.push('lint');
if (!failures.includes('build')) {
  await ensurePrograms();
  if ((await runTests(`--filter=!${INTEGRATION}`)) !== 0) failures.push('package tests');
  if ((await runTests(`--filter=${INTEGRATION}`)) !== 0) failures.push('integration tests');
}
report();

/**
 * What tests start, installed before any of them does: a package manager takes one at a time, and tests run side by side and have little time.
 * A program that cannot be had is no failure here; the tests that need it say so.
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
    ['promtool', 'prometheus'],
    ['nft', 'nftables'],
    ['ip', 'iproute2'],
  ];
  for (const [program, aptPackage] of programs) {
    await ensureBinary(program, aptPackage, { logger }).catch((error) => console.error(error.message));
  }
}

/** Packages run two at a time and each keeps to half the cores; see jest.config.js. */
function runTests(filter) {
  const args = [
    'run',
    'test',
    filter,
    '--concurrency=2',
    '--continue=always',
    '--output-logs=new-only',
    '--log-order=grouped',
  ];
  return turbo(args, { env: { ...TOOL_ENV, FORCE_COLOR: '0' } });
}

function report() {
  const total = { passed: 0, failed: 0, skipped: 0 };
  for (const folder of packageFolders()) {
    const counts = readCounts(folder);
    for (const key of Object.keys(total)) total[key] += counts?.[key] ?? 0;
  }
  if (failures.length > 0) console.log(`FAILED: ${failures.join(', ')}`);
  // A step that failed without a failing test (build, lint, a crash) must not close on "0 failed".
  const failed = total.failed === 0 && failures.length > 0 ? failures.length : total.failed;
  console.log(`${total.passed} passed, ${failed} failed${total.skipped > 0 ? `, ${total.skipped} skipped` : ''}`);
  process.exitCode = failed > 0 ? 1 : 0;
}

function readCounts(folder) {
  try {
    return JSON.parse(readFileSync(join(folder, '.jest', 'counts.json'), 'utf8'));
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

function packageFolders() {
  const within = (parent) => readdirSync(join(ROOT, parent)).map((name) => join(ROOT, parent, name));
  return [...within('shared'), ...within('services'), join(ROOT, 'deploy', 'local'), join(ROOT, 'test')];
}
