import { fileURLToPath } from 'node:url';

/** Jest runs the compiled code, the same bytes that production runs; `npm run build` comes first. */
export default {
  testEnvironment: 'node',
  testMatch: ['**/dist/**/*.test.js'],
  transform: {},
  injectGlobals: false,
  // The one bound against hanging, wide enough for a very busy machine; what has to be fast says so in its test.
  testTimeout: 300_000,
  // Two packages are tested at a time, so each takes half the machine.
  maxWorkers: '50%',
  // Tests that are concurrent wait, and compute little.
  maxConcurrency: 14,
  reporters: ['default', fileURLToPath(new URL('deploy/local/bin/jest-counts.mjs', import.meta.url))],
};
