import { describe, expect, test } from '@jest/globals';
import {
  canTransition,
  COMMAND_STATES,
  commandLedgerBalances,
  commandLedgerSettled,
  EMPTY_COMMAND_LEDGER,
  isTerminal,
  REPORTED_STATES,
  TERMINAL_STATES,
} from './command-states.js';

describe('the state of a target', () => {
  test('rises from queued to one of seven ends', () => {
    expect(COMMAND_STATES.filter(isTerminal)).toEqual(TERMINAL_STATES);
    expect(COMMAND_STATES).toEqual(['queued', 'sent', 'accepted', 'running', ...TERMINAL_STATES]);
    expect(REPORTED_STATES).toEqual(['accepted', 'running', ...TERMINAL_STATES]);
    expect(TERMINAL_STATES).toHaveLength(7);
  });

  test('only rises; what was never sent can be sent, cancelled, or expire', () => {
    const to = (from: (typeof COMMAND_STATES)[number]) => COMMAND_STATES.filter((state) => canTransition(from, state));
    expect(to('queued')).toEqual(['sent', 'cancelled', 'expired']);
    expect(to('sent')).toEqual(['accepted', 'running', ...TERMINAL_STATES]);
    expect(to('accepted')).toEqual(['running', ...TERMINAL_STATES]);
    expect(to('running')).toEqual(TERMINAL_STATES);
    for (const state of TERMINAL_STATES) expect(to(state)).toEqual([]);
  });
});

describe('the ledger of a command', () => {
  test('has every state, and balances when they add up to the targets', () => {
    expect(Object.keys(EMPTY_COMMAND_LEDGER)).toEqual(['targeted', ...COMMAND_STATES]);
    expect(Object.values(EMPTY_COMMAND_LEDGER).every((count) => count === 0)).toBe(true);
    for (const state of COMMAND_STATES) {
      expect(commandLedgerBalances({ ...EMPTY_COMMAND_LEDGER, targeted: 2, [state]: 2 })).toBe(true);
      expect(commandLedgerBalances({ ...EMPTY_COMMAND_LEDGER, targeted: 2, [state]: 1 })).toBe(false);
    }
  });

  test('is settled when every target has come to an end', () => {
    for (const state of COMMAND_STATES) {
      expect(commandLedgerSettled({ ...EMPTY_COMMAND_LEDGER, targeted: 1, [state]: 1 })).toBe(isTerminal(state));
    }
    for (const one of ['queued', 'sent', 'accepted', 'running'] as const) {
      for (const other of ['queued', 'sent', 'accepted', 'running'] as const) {
        expect(commandLedgerSettled({ ...EMPTY_COMMAND_LEDGER, targeted: 2, [one]: 1, [other]: 1 })).toBe(false);
      }
    }
  });
});
