/**
 * What tests import from `@jest/globals`, on top of Mocha. Jest loads every module again for each run, which costs seconds for each changed expression;
 * Mocha keeps them, and a run costs milliseconds.
 */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bind } from 'jest-each';
import { ModuleMocker } from 'jest-mock';

export { expect } from 'expect';

const { after, afterEach: afterEachTest, before, beforeEach: beforeEachTest, describe: suite, it: unit } = globalThis;

/** Mocha takes no time limit as the last argument, and gives a callback to functions that take an argument. */
const limited = (register) => (name, run, timeoutMs) => {
  const test = register(name, () => run());
  if (timeoutMs !== undefined) test.timeout(timeoutMs);
};
const hook = (register) => (run, timeoutMs) =>
  register(function () {
    if (timeoutMs !== undefined) this.timeout(timeoutMs);
    return run();
  });

/** A hook outside of every `describe` is for the tests of its file; to Mocha it is for those of all files. */
const hookOfTests = (register) => (run, timeoutMs) => {
  const file = depth === 0 ? callingFile() : undefined;
  hook(register)(function () {
    return file === undefined || resolve(current.file) === file ? run() : undefined;
  }, timeoutMs);
};
let depth = 0;
let current = {};
beforeEachTest(function () {
  current = this.currentTest;
});

function callingFile() {
  const [, url] = /(file:\/\/\S+?\.test\.js)/.exec(new Error().stack) ?? [];
  return url && fileURLToPath(url);
}

export const test = limited(unit);
test.only = limited(unit.only);
test.skip = (name) => unit.skip(name);
test.each = bind(test, false);
export const it = test;

export const describe = (name, run) =>
  suite(name, () => {
    depth += 1;
    run();
    depth -= 1;
  });
describe.each = bind(describe, false);

export const beforeAll = hook(before);
export const beforeEach = hookOfTests(beforeEachTest);
export const afterAll = hook(after);
export const afterEach = hookOfTests(afterEachTest);

const mocker = new ModuleMocker(globalThis);
export const jest = {
  fn: mocker.fn.bind(mocker),
  spyOn: mocker.spyOn.bind(mocker),
  restoreAllMocks: mocker.restoreAllMocks.bind(mocker),
};
