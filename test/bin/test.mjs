/**
 * The tests of this package: first those that share the machine well, two at a time; then those that judge times or keep both cores busy, one after the
 * other. With arguments: jest with those arguments, once.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const PACKAGE = fileURLToPath(new URL('../', import.meta.url));
/** Patterns of test files that run alone. */
const ALONE = [
  'chaos/short-round',
  'chaos/agents/agent-round',
  'integration/(bandwidth|metrics|frozen|full-start|query-ends|lost-gateway|drain|proxies|hand-over|commands-chaos|watching|alerts)',
].map((path) => `/dist/${path}`);

const asked = process.argv.slice(2);
const codes =
  asked.length > 0
    ? [jest('counts', asked)]
    : [
        jest('shared', ['--maxWorkers=2', `--testPathIgnorePatterns=${ALONE.join('|')}`]),
        jest('alone', ['--maxWorkers=1', `--testPathPatterns=${ALONE.join('|')}`]),
      ];
process.exitCode = Math.max(...codes);

/** Its counts go to `.jest/NAME.json`. */
function jest(name, args) {
  const options = ['--config', '../jest.config.js', '--rootDir', '.', '--passWithNoTests', ...args];
  const { status } = spawnSync('npx', ['jest', ...options], {
    cwd: PACKAGE,
    stdio: 'inherit',
    env: {
      ...process.env,
      NODE_OPTIONS: '--experimental-vm-modules --disable-warning=ExperimentalWarning',
      MUSTER_TEST_COUNTS: name,
    },
  });
  return status ?? 1;
}
