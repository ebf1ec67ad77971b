import { expect, test } from '@jest/globals';
import { FakeClock } from '@muster/runtime/testing';
import { PresenceDoubt } from './presence-doubt.js';
import type { GatewaysResult } from './registry.js';

const info = { sessions: 1, draining: false, startedAtMs: 0 };
const SILENT: GatewaysResult = { kind: 'gateways', gateways: [{ ...info, gatewayId: 'gw-a', remainingMs: -1 }] };
const NONE: GatewaysResult = { kind: 'gateways', gateways: [] };

interface State {
  lapsed: GatewaysResult;
  /** `undefined`: there is no marker, and who asks may not set one. */
  generation: string | undefined;
  heardForMs: number;
}

function start() {
  const clock = new FakeClock();
  const state: State = { lapsed: NONE, generation: 'a', heardForMs: 60_000 };
  const lease = { lapsed: () => Promise.resolve(state.lapsed) } as never;
  const generation = () =>
    Promise.resolve(
      state.generation === undefined
        ? ({ kind: 'unavailable', cause: new Error('no permission to set the marker') } as const)
        : ({ kind: 'generation', value: state.generation } as const),
    );
  const doubt = new PresenceDoubt({ registry: { lease, generation }, clock, heardForMs: () => state.heardForMs });
  return { clock, state, doubt };
}

test('who is connected is in doubt when a lease lapsed while messages did not get through, and until gateways had time to renew', async () => {
  const { state, doubt } = start();
  await doubt.start();
  const at = async (lapsed: GatewaysResult, heardForMs: number) => {
    Object.assign(state, { lapsed, heardForMs });
    return await doubt.isInDoubt();
  };
  expect(await at(SILENT, 0)).toBe(true);
  expect(await at(SILENT, 5_000)).toBe(true);
  expect(await at(NONE, 0)).toBe(false);
  expect(await at(SILENT, 15_000)).toBe(false);
  expect(await at({ kind: 'unavailable', cause: new Error('no redis') }, 0)).toBe(true);
  doubt.stop();
});

test('and when the registry has lost its data, until gateways had time to register their sessions again', async () => {
  const { clock, state, doubt } = start();
  await doubt.start();
  expect(await doubt.isInDoubt()).toBe(false);
  state.generation = 'b';
  expect(await doubt.isInDoubt()).toBe(true);
  clock.advance(9_000);
  expect(await doubt.isInDoubt()).toBe(true);
  clock.advance(1_000);
  expect(await doubt.isInDoubt()).toBe(false);
  doubt.stop();
});

test('and while the data have no marker, which only gateways may set', async () => {
  const { state, doubt } = start();
  await doubt.start();
  state.generation = undefined;
  expect(await doubt.isInDoubt()).toBe(true);
  state.generation = 'a';
  expect(await doubt.isInDoubt()).toBe(false);
  doubt.stop();
});
