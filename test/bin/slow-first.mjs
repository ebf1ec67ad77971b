import { statSync } from 'node:fs';

/** Those of `integration/` that take a minute or more. Started last, one of them would run alone at the end. */
const SLOW = new RegExp(
  `/(${[
    ...['cli-system', 'failover', 'fleet', 'hunts', 'local-runner', 'observability', 'hard-queries', 'full-redis'],
    ...['false-reports', 'switch', 'haproxy', 'absent-dependencies', 'proxies', 'frozen', 'metrics', 'alerts'],
  ].join('|')})\\.test\\.js$`,
);

/** Order of jest's test files: the slow ones, then the larger files. Without it jest goes by size where it has not run before. */
export default class SlowFirst {
  sort(tests) {
    const rank = ({ path }) => (SLOW.test(path) ? Number.MAX_SAFE_INTEGER : statSync(path).size);
    return [...tests].sort((a, b) => rank(b) - rank(a) || (a.path < b.path ? -1 : 1));
  }

  allFailedTests(tests) {
    return this.sort(tests);
  }

  shard(tests) {
    return tests;
  }

  cacheResults() {}
}
