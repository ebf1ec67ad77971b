import { expect, test } from '@jest/globals';
import type { GatewayId } from '@muster/protocol';
import { silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { GatewayAnswers } from './gateway-answers.js';

const id = (name: string): GatewayId => name as GatewayId;
const set = (...names: string[]): ReadonlySet<GatewayId> => new Set(names.map(id));

function start() {
  const clock = new FakeClock();
  const state = { leased: ['g1', 'g2'] as readonly string[] | undefined, isInDoubt: false };
  const info = { sessions: 0, draining: false, startedAtMs: 0, remainingMs: 10_000 };
  const answers = new GatewayAnswers({
    ...{ clock, logger: silentLogger },
    registry: {
      gateways: () =>
        Promise.resolve(
          state.leased === undefined
            ? ({ kind: 'unavailable' } as never)
            : ({ kind: 'gateways', gateways: state.leased.map((gatewayId) => ({ gatewayId, ...info })) } as never),
        ),
    },
    doubt: { isInDoubt: () => Promise.resolve(state.isInDoubt) },
  });
  answers.start();
  return { clock, state, answers };
}

test('all have answered when every gateway has that had a lease since, and not while there may be others', async () => {
  const { clock, state, answers } = start();
  expect(answers.areAll(set('g1', 'g2'), 0)).toBe(false);
  await clock.advanceAsync(2_000);
  expect([answers.areAll(set('g1'), 0), answers.areAll(set('g1', 'g2'), 0)]).toEqual([false, true]);
  // What was known before a partition was taken says nothing.
  const sinceMs = clock.monotonic() + 500;
  await clock.advanceAsync(500);
  Object.assign(state, { leased: ['g1'], isInDoubt: true });
  expect(answers.areAll(set('g1'), sinceMs)).toBe(false);
  await clock.advanceAsync(60_000);
  expect(answers.areAll(set('g1'), sinceMs)).toBe(false);
  state.isInDoubt = false;
  await clock.advanceAsync(2_000);
  expect(answers.areAll(set('g1'), sinceMs)).toBe(true);
  answers.stop();
});

test('a gateway that has never answered is waited for half a minute, one that has without end', async () => {
  const { clock, answers } = start();
  answers.heard(id('g1'));
  await clock.advanceAsync(29_000);
  expect(answers.areAll(set('g1'), 0)).toBe(false);
  await clock.advanceAsync(2_000);
  expect([answers.areAll(set('g1'), 0), answers.areAll(set('g2'), 0)]).toEqual([true, false]);
  answers.stop();
});

test('while Redis does not say who is there it is not known for two minutes', async () => {
  const { clock, state, answers } = start();
  state.leased = undefined;
  await clock.advanceAsync(119_000);
  expect(answers.areAll(set('g1', 'g2'), 0)).toBe(false);
  await clock.advanceAsync(2_000);
  expect(answers.areAll(set('g1', 'g2'), 0)).toBe(true);
  answers.stop();
});
