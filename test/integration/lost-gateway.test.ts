import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { fleetOptions, startHarness, type Harness } from '../kit/harness.js';
import { sessionsOf, watchReturn } from '../kit/return-times.js';
import { Fleet } from '../simulator/index.js';

const AGENTS = 200;
const REAL = 2;
const ALL = AGENTS + REAL;
let harness: Harness;
let fleet: Fleet;

const gateway = (at: 0 | 1) => harness.stack.gateways[at]!;

beforeAll(async () => {
  harness = await startHarness({ gateways: 2, restart: true });
  fleet = new Fleet({ ...fleetOptions(harness), agents: AGENTS });
  await fleet.start();
  for (let i = 0; i < REAL; i += 1) await harness.stack.addAgent();
  await eventually(async () => (await sessionsOf(harness.stack)) === ALL, 'all are connected');
});
afterAll(async () => {
  await fleet.stop();
  await harness.close();
});

/** Does something to the gateway that holds most, and tells how its endpoints came back. */
async function lose(signal: 'SIGKILL' | 'SIGSTOP') {
  const held = await Promise.all(([0, 1] as const).map((at) => sessionsOf({ gateways: [gateway(at)] })));
  const at = held[0]! >= held[1]! ? 0 : 1;
  const times = await watchReturn(harness.stack, {
    agents: ALL,
    boundMs: 60_000,
    lose: () => {
      gateway(at).signal(signal);
      return held[at]!;
    },
  });
  return { ...times, gateway: gateway(at) };
}

describe('the endpoints of a gateway', () => {
  it('that is killed: 95 % of them are back within 5 s, and all within 15 s', async () => {
    const { lost, at } = await lose('SIGKILL');
    expect(lost).toBeGreaterThan(AGENTS / 4);
    expect(at(0.95)).toBeLessThan(5_000);
    expect(at(1)).toBeLessThan(15_000);
  });

  it('that hangs with its sockets open: all of them have left it and are elsewhere within 35 s', async () => {
    await eventually(async () => (await sessionsOf(harness.stack)) === ALL, 'all are connected');
    const { lost, at, gateway: hung } = await lose('SIGSTOP');
    hung.signal('SIGCONT');
    process.stderr.write(`${lost} endpoints of a gateway that hung were back after ${Math.round(at(1) ?? 0)} ms\n`);
    expect(lost).toBeGreaterThan(AGENTS / 4);
    expect(at(1)).toBeLessThan(35_000);
  });
});
