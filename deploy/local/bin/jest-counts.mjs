/**
 * Jest reporter. Writes the numbers of passed, failed and skipped tests to the package's `.jest/counts.json`, for the last line of
 * `npm test`. Fails a run that leaves handles open, instead of letting it hang.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const LEAK_MS = 10_000;

export default class CountsReporter {
  #folder;

  constructor(globalConfig) {
    this.#folder = join(globalConfig.rootDir, '.jest');
  }

  onRunComplete(_contexts, results) {
    const counts = {
      passed: results.numPassedTests,
      // A file that cannot be loaded has no failed test, but counts as one.
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
      skipped: results.numPendingTests + results.numTodoTests,
    };
    this.#write(counts);
    setTimeout(() => {
      this.#write({ ...counts, failed: counts.failed + 1 });
      console.error(`The tests ended ${LEAK_MS / 1000} s ago and something is still open: ${openResources()}`);
      process.exit(1);
    }, LEAK_MS).unref();
  }

  #write(counts) {
    mkdirSync(this.#folder, { recursive: true });
    writeFileSync(join(this.#folder, 'counts.json'), `${JSON.stringify(counts)}\n`);
  }
}

/** `3 Timeout, 1 TCPSocketWrap` */
function openResources() {
  const counts = new Map();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ');
}
