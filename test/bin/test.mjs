/**
 * The tests of this package in three runs: those that share the machine well, three at a time, as each waits half of
 * the time; those that wait nearly always, three at a time; and those that judge times or keep both cores busy, one
 * after the other. With arguments: jest with those arguments, once.
 */
import { jest } from './jest.mjs';

/**
 * Test files that wait most of the time, for leases, drains and what stands still: beside each other they have the
 * machine to themselves.
 */
const WAITING = paths('chaos/agents/agent-round', 'integration/(frozen|frozen-views|hand-over|watching)');
/** Test files that run alone: bounds of a few seconds, counts of bytes, or load for both cores. */
const ALONE = paths(
  'browser/console-numbers',
  'chaos/short-round',
  'integration/(alerts|bandwidth|commands-chaos|drain|frozen-reports|frozen-services|full-start|lost-gateway|metrics|proxies|query-ends)',
);
/** By `npm run test:long`. */
const LONG = '\\.long\\.test\\.js$';

const asked = process.argv.slice(2);
const codes =
  asked.length > 0
    ? [jest('counts', asked)]
    : [
        jest('shared', ['--maxWorkers=3', ...each('--testPathIgnorePatterns', ...WAITING, ...ALONE, LONG)]),
        jest('waiting', ['--maxWorkers=3', ...each('--testPathPatterns', ...WAITING)]),
        jest('alone', ['--maxWorkers=1', ...each('--testPathPatterns', ...ALONE)]),
      ];
process.exitCode = Math.max(...codes);

function paths(...files) {
  return files.map((file) => `/dist/${file}\\.test\\.js$`);
}

function each(option, ...values) {
  return values.map((value) => `${option}=${value}`);
}
