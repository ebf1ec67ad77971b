/**
 * What is mutated, by name: the folder of the package, its compiled files that are changed, and the test files that
 * have to notice. Tests that start brokers are left out where the same guards are visible without.
 */
export const TARGETS = {
  protocol: { folder: 'shared/protocol', mutate: ['**/*.js'], tests: ['**/*.test.js'] },
  ledger: {
    folder: 'services/query',
    mutate: ['ledger/*.js'],
    tests: [
      'ledger/*.test.js',
      'aggregation/early-answers.test.js',
      'aggregation/moved-endpoints.test.js',
      'aggregation/polling.test.js',
    ],
  },
  journal: { folder: 'services/command', mutate: ['journal/*.js'], tests: ['journal/*.test.js'] },
  fold: { folder: 'shared/records', mutate: ['command-fold.js'], tests: ['command-fold*.test.js'] },
  identity: { folder: 'shared/identity', mutate: ['**/*.js'], tests: ['**/*.test.js'] },
  registry: {
    folder: 'shared/registry',
    mutate: ['*.js'],
    // The contract suite takes a minute for each change.
    tests: [
      'partition.test.js',
      ...['connection', 'leases', 'presence', 'registrations', 'url'].map((part) => `redis-${part}.test.js`),
    ],
  },
  sessions: { folder: 'services/gateway', mutate: ['sessions/**/*.js'], tests: ['sessions/**/*.test.js'] },
};

/** The least part of the mutants that tests must kill, in percent. */
export const GOAL = 80;

/** One run may take this long. */
export const LIMIT_MS = 3_600_000;
