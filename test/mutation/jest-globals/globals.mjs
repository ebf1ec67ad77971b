/**
 * What tests import from `@jest/globals`, on top of Mocha. Jest loads every module again for each run, which costs seconds for each changed expression;
 * Mocha keeps them, and a run costs milliseconds.
 */
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

export const test = limited(unit);
test.only = limited(unit.only);
test.skip = (name) => unit.skip(name);
test.each = bind(test, false);
export const it = test;

export const describe = (name, run) => suite(name, () => void run());
describe.each = bind(describe, false);

export const beforeAll = hook(before);
export const beforeEach = hook(beforeEachTest);
export const afterAll = hook(after);
export const afterEach = hook(afterEachTest);

const mocker = new ModuleMocker(globalThis);
export const jest = {
  fn: mocker.fn.bind(mocker),
  spyOn: mocker.spyOn.bind(mocker),
  restoreAllMocks: mocker.restoreAllMocks.bind(mocker),
};
