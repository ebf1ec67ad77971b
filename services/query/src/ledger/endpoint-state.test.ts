import { expect, test } from '@jest/globals';
import { OUTCOMES } from '@muster/protocol';
import {
  ANSWERED,
  codeOf,
  EMPTY,
  entryOf,
  gatewayOf,
  isAttributed,
  isPolled,
  isRecoverable,
  STATES,
  stateOf,
  WAITING,
  withPolls,
} from './endpoint-state.js';

test('an entry keeps its parts apart', () => {
  for (const gateway of [0, 1, 63, 64, 1_000]) {
    for (const attributed of [false, true]) {
      for (const state of STATES) {
        for (const polls of [false, true]) {
          const entry = withPolls(entryOf(gateway, attributed, codeOf(state)), polls);
          expect([gatewayOf(entry), isAttributed(entry), STATES[stateOf(entry)], isPolled(entry)]).toEqual([
            gateway,
            attributed,
            state,
            polls,
          ]);
          expect(isPolled(withPolls(entry, !polls))).toBe(!polls);
        }
      }
    }
  }
});

test('codes are those of the outcomes, after waiting', () => {
  expect(STATES).toEqual(['waiting', ...OUTCOMES]);
  expect([WAITING, ANSWERED, EMPTY].map((code) => STATES[code])).toEqual(['waiting', 'answered', 'empty']);
});

test('an endpoint that did not report its outcome itself may still answer', () => {
  expect(STATES.filter((state) => isRecoverable(codeOf(state)))).toEqual(['timed_out', 'disconnected', 'unreachable']);
});
