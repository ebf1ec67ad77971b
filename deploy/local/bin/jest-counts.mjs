/**
 * Jest reporter. Writes the numbers of passed, failed and skipped tests, which failed and why, and the seconds of each
 * file to the package's `.jest/counts.json` (or `.jest/NAME.json` by `MUSTER_TEST_COUNTS`), for the last lines of `npm
 * test`. Fails a run that leaves handles open, instead of letting it hang.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const LEAK_MS = 10_000;
/** How much of a failure is told again at the end. */
const WHY_LINES = 12;
const WHY_CHARACTERS = 1_500;

export default class CountsReporter {
  #root;
  #folder;

  constructor(globalConfig) {
    this.#root = globalConfig.rootDir;
    this.#folder = join(globalConfig.rootDir, '.jest');
  }

  onRunComplete(_contexts, results) {
    const counts = {
      passed: results.numPassedTests,
      // A file that cannot be loaded has no failed test, but counts as one.
      failed: results.numFailedTests + results.numRuntimeErrorTestSuites,
      skipped: results.numPendingTests + results.numTodoTests,
      failures: results.testResults.flatMap((file) => failuresOf(file, relative(this.#root, file.testFilePath))),
      seconds: results.testResults.map(({ testFilePath, perfStats }) => [
        relative(this.#root, testFilePath),
        Math.round(perfStats.runtime / 1_000),
      ]),
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
    writeFileSync(
      join(this.#folder, `${process.env.MUSTER_TEST_COUNTS ?? 'counts'}.json`),
      `${JSON.stringify(counts)}\n`,
    );
  }
}

/** What failed in one file; a file that cannot be loaded has no test to name. */
function failuresOf({ testResults, testExecError }, file) {
  const failed = testResults
    .filter(({ status }) => status === 'failed')
    .map(({ fullName, failureMessages }) => ({ file, test: fullName, why: beginning(failureMessages[0]) }));
  return testExecError === undefined || testExecError === null || failed.length > 0
    ? failed
    : [{ file, test: 'the file', why: beginning(testExecError.message) }];
}

/** The first lines of a failure, without colours and calls of libraries. */
function beginning(message = '') {
  const own = stripVTControlCharacters(message)
    .split('\n')
    .filter((line) => line !== '' && !line.includes('/node_modules/'));
  return own.slice(0, WHY_LINES).join('\n').slice(0, WHY_CHARACTERS);
}

/** `3 Timeout, 1 TCPSocketWrap` */
function openResources() {
  const counts = new Map();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ');
}
