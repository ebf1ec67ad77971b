import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const PACKAGE = fileURLToPath(new URL('../', import.meta.url));
const SEQUENCER = fileURLToPath(new URL('slow-first.mjs', import.meta.url));

/** Runs jest in this package; its counts go to `.jest/NAME.json`. Returns its exit code. */
export function jest(name, args) {
  const options = [
    '--config',
    '../jest.config.js',
    '--rootDir',
    '.',
    '--passWithNoTests',
    '--testSequencer',
    SEQUENCER,
  ];
  const { status } = spawnSync('npx', ['jest', ...options, ...args], {
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
