import { expect, test } from '@jest/globals';
import { parseLabelChanges } from './label-changes.js';

test('key=value sets and key- removes', () => {
  expect(parseLabelChanges(['env=prod', 'site=', 'old-'])).toEqual({ set: { env: 'prod', site: '' }, remove: ['old'] });
});

test('every fault is named at once', () => {
  expect(() => parseLabelChanges(['env', 'os=linux', 'a=b c', 'x=1', 'x-'])).toThrow(
    /"env" is neither.*"x" is there twice.*"os" is built in.*"b c" must be/,
  );
  expect(() => parseLabelChanges([])).toThrow(/say which labels/);
});
