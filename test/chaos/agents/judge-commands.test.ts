import { describe, expect, it } from '@jest/globals';
import { faultsOf, type JudgedCommand } from './judge-commands.js';

const COMMAND = { witness: 'w-1', endpoint: 'a', fault: 'kill', id: 'c1', isCancelled: false };
const judged = (target: Partial<NonNullable<JudgedCommand['target']>> | undefined, effects: number): string[] =>
  faultsOf({ command: COMMAND, target: target && { state: 'succeeded', code: 'ok', ...target }, effects });

describe('the judge of commands to real agents', () => {
  it.each([
    [{}, 1],
    [{ state: 'failed', code: 'interrupted' }, 0],
    [{ state: 'failed', code: 'interrupted' }, 1],
    [{ state: 'timed_out', code: 'no_report' }, 1],
    [{ state: 'expired', code: 'unconfirmed' }, 1],
    [{ state: 'expired', code: 'unconfirmed', late: { state: 'succeeded', code: 'ok', message: '', at: '' } }, 1],
    [{ state: 'cancelled', code: 'cancelled' }, 0],
    [{ state: 'cancelled', code: 'cancelled', effects: ['ended 1'] }, 1],
    [{ state: 'refused', code: 'busy' }, 0],
  ] as const)('finds no fault with %j and %i effects', (target, effects) => {
    expect(judged(target as never, effects)).toEqual([]);
  });

  it.each([
    [undefined, 0, /not in the journal/],
    [{ state: 'accepted', code: '' }, 0, /has not ended/],
    [{}, 2, /took effect 2 times/],
    [{}, 0, /took effect 0 times/],
    [{ state: 'failed', code: 'interrupted' }, 2, /took effect 2 times/],
    [{ state: 'refused', code: 'ledger_unavailable' }, 1, /took effect 1 times, and is refused/],
    [{ state: 'expired', code: 'expired' }, 1, /took effect 1 times/],
    [
      { state: 'expired', code: 'unconfirmed', late: { state: 'succeeded', code: 'ok', message: '', at: '' } },
      0,
      /late/,
    ],
  ] as const)('finds a fault with %j and %i effects', (target, effects, fault) => {
    expect(judged(target as never, effects).join()).toMatch(fault);
  });
});
