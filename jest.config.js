import { fileURLToPath } from 'node:url';

// Times are printed in the zone of the process, and tests expect one.
process.env['TZ'] = 'UTC';

/** Jest runs the compiled code, the same bytes that production runs; `npm run build` comes first. */
export default {
  // Node's, which also counts processor time.
  testEnvironment: fileURLToPath(new URL('deploy/local/bin/jest-environment.mjs', import.meta.url)),
  testMatch: ['**/dist/**/*.test.js'],
  // The long variants run by `npm run test:long`.
  testPathIgnorePatterns: ['/node_modules/', '\\.long\\.test\\.js$'],
  transform: {},
  injectGlobals: false,
  // The one bound against hanging, wide enough for a very busy machine; what has to be fast says so in its test.
  testTimeout: 300_000,
  // Three packages are tested at a time, and each waits half of the time; so each takes half the machine.
  maxWorkers: '50%',
  // Modules of a test file stay in memory after it, and collecting garbage among them costs more and more.
  workerIdleMemoryLimit: '400MB',
  // Tests that are concurrent wait, and compute little.
  maxConcurrency: 14,
  reporters: ['default', fileURLToPath(new URL('deploy/local/bin/jest-counts.mjs', import.meta.url))],
};
