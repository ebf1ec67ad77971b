import { describe, expect, it, jest } from '@jest/globals';
import type { CollectRequest } from '@muster/tables';
import { System } from '../contract/system.js';
import { readIp } from './ip-program.js';

const question = { args: ['route'], parse: JSON.parse as (json: string) => unknown, lacks: 'routes are missing' };

/** A machine with the one program, and a statement that asks it. */
function statement(output: string | undefined, exists = true) {
  const system = new System();
  const run = jest.spyOn(system, 'run').mockReturnValue(output);
  jest.spyOn(system, 'exists').mockReturnValue(exists);
  const memos = new Map<string, unknown>();
  const warnings: string[] = [];
  const memo = <T>(key: string, make: () => T): T => {
    if (!memos.has(key)) memos.set(key, make());
    return memos.get(key) as T;
  };
  const request = { memo, warn: (_: unknown, what: string) => void warnings.push(what) } as unknown as CollectRequest;
  return { system, request, run, warnings };
}

describe('what ip says', () => {
  it('is read once for each statement', () => {
    const { system, request, run, warnings } = statement('[1]');
    expect(readIp(system, request, question)).toEqual([1]);
    expect(readIp(system, request, question)).toEqual([1]);
    expect(run).toHaveBeenCalledTimes(1);
    expect(warnings).toEqual([]);
  });

  it('is missed with a warning where ip hangs, and the next question does not wait for it again', () => {
    const { system, request, run, warnings } = statement(undefined);
    expect(readIp(system, request, question)).toBeUndefined();
    expect(readIp(system, request, { ...question, args: ['address'] })).toBeUndefined();
    expect(run).toHaveBeenCalledTimes(1);
    expect(warnings).toEqual([
      'without an answer of "ip route", routes are missing',
      'without an answer of "ip address", routes are missing',
    ]);
  });

  it.each([
    ['there is none', '[1]', false],
    ['it knows no JSON', 'default via 192.0.2.1 dev eth0', true],
  ])('is missed with a warning where %s', (_, output, exists) => {
    const { system, request, warnings } = statement(output, exists);
    expect(readIp(system, request, question)).toBeUndefined();
    expect(warnings).toHaveLength(1);
  });
});
