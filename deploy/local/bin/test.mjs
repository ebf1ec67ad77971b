/**
 * `npm test`: works from a fresh clone. Installs, builds, lints, runs each package's tests, then those across programs. The last line is
 * `N passed, N failed`, summed over all test runs. Runs from turbo's cache count too: the counts are among the cached outputs.
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

/** Two packages are tested at a time, each on half of the cores; see jest.config.js. */
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
  // A failure without a failed test (build, lint, a crash) counts as one, so that the last line is never "0 failed".
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
  return [...within('shared'), ...within('services'), ...within('deploy'), join(ROOT, 'test')];
}
