/** Jest runs the compiled code, the same bytes that production runs; `npm run build` comes first. */
export default {
  testEnvironment: 'node',
  testMatch: ['**/dist/**/*.test.js'],
  transform: {},
  injectGlobals: false,
  testTimeout: 30_000,
};
