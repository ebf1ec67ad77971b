/**
 * What tests import from `@jest/globals`, on top of Mocha. Jest loads every module again for each run, which costs
 * seconds for each changed expression; Mocha keeps them, and a run costs milliseconds.
 */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bind } from 'jest-each';
import { ModuleMocker } from 'jest-mock';

export { expect } from 'expect';

// Mocha makes these anew for each file.
const suite = (...args) => globalThis.describe(...args);
const unit = (...args) => globalThis.it(...args);

/** Tests of how long something takes say nothing here, and a test that takes seconds would take them for each change. */
const LEFT_OUT = /does not cost more|takes no noticeable time|any entries in any order/;

/** Mocha takes no time limit as the last argument, and gives a callback to functions that take an argument. */
const limited = (register) => (name, run, timeoutMs) => {
  if (LEFT_OUT.test(name)) return;
  const test = register(name, () => run());
  if (timeoutMs !== undefined) test.timeout(timeoutMs);
};
const hook = (kind) => (run, timeoutMs) =>
  globalThis[kind](function () {
    if (timeoutMs !== undefined) this.timeout(timeoutMs);
    return run();
  });

/** A hook outside of every `describe` is for the tests of its file; to Mocha it is for those of all files. */
const hookOfTests = (kind) => (run, timeoutMs) => {
  const file = depth === 0 ? callingFile() : undefined;
  hook(kind)(function () {
    return file === undefined || resolve(current.file) === file ? run() : undefined;
  }, timeoutMs);
};
let depth = 0;
let current = {};
globalThis.beforeEach(function () {
  current = this.currentTest;
});

function callingFile() {
  const [, url] = /(file:\/\/\S+?\.test\.js)/.exec(new Error().stack) ?? [];
  return url && fileURLToPath(url);
}

export const test = limited(unit);
test.each = bind(test, false);
export const it = test;

export const describe = (name, run) =>
  suite(name, () => {
    depth += 1;
    run();
    depth -= 1;
  });
describe.each = bind(describe, false);

export const beforeAll = hook('before');
export const beforeEach = hookOfTests('beforeEach');
export const afterAll = hook('after');
export const afterEach = hookOfTests('afterEach');

const mocker = new ModuleMocker(globalThis);
export const jest = {
  fn: mocker.fn.bind(mocker),
  spyOn: mocker.spyOn.bind(mocker),
  restoreAllMocks: mocker.restoreAllMocks.bind(mocker),
};
