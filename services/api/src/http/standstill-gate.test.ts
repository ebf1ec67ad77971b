import { beforeEach, describe, expect, test } from '@jest/globals';
import { AppError } from '@muster/protocol';
import { silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { StandstillGate } from './standstill-gate.js';

let clock: FakeClock;
let stoodMs: number;
/** The machine was suspended for so long: its monotonic clock stood still too. */
let suspendedMs: number;
let asked: { resolve: () => void; reject: (fault: Error) => void }[];
let gate: StandstillGate;
beforeEach(() => {
  clock = new FakeClock();
  stoodMs = 0;
  suspendedMs = 0;
  asked = [];
  const current = (): Promise<void> =>
    new Promise((resolve, reject) => {
      asked.push({ resolve, reject });
    });
  gate = new StandstillGate({
    ...{ views: [{ current }], logger: silentLogger },
    clock: {
      now: () => clock.now() + stoodMs + suspendedMs,
      monotonic: () => clock.monotonic() + stoodMs,
      setTimeout: (run, ms) => clock.setTimeout(run, ms),
      setInterval: (run, ms) => clock.setInterval(run, ms),
      clear: (timer) => clock.clear(timer),
    },
  });
  gate.start();
});

/** What a request is told; `waits` before that. */
function pass(): { told: unknown } {
  const request = { told: 'waits' as unknown };
  gate.handler({} as never, {} as never, (fault?: unknown) => (request.told = fault ?? 'goes on'));
  return request;
}

/** The clock goes on and no timer runs, as in a process that is stopped. */
const standStill = (ms: number): void => {
  stoodMs += ms;
};
const settle = () => new Promise((resolve) => setImmediate(resolve));

describe('requests', () => {
  test('go on at once while the process runs', () => {
    for (let n = 0; n < 40; n += 1) {
      clock.advance(250);
      expect(pass()).toEqual({ told: 'goes on' });
    }
    expect(asked).toEqual([]);
  });

  test('wait for the views when it stood still, all for one look, and then go on', async () => {
    standStill(1_200);
    const waiting = [pass(), pass()];
    await settle();
    expect([asked.length, ...waiting]).toEqual([1, { told: 'waits' }, { told: 'waits' }]);
    asked[0]?.resolve();
    await settle();
    expect([...waiting, pass()]).toEqual([{ told: 'goes on' }, { told: 'goes on' }, { told: 'goes on' }]);
    expect(asked).toHaveLength(1);
  });

  test('wait for the views when the machine was suspended, which its monotonic clock does not tell', () => {
    suspendedMs = 600_000;
    expect(pass()).toEqual({ told: 'waits' });
    expect(asked).toHaveLength(1);
  });

  test('wait also when timers ran before them', () => {
    standStill(1_200);
    clock.advance(250);
    expect(pass()).toEqual({ told: 'waits' });
  });

  test('are refused while the views cannot be read, and ask again', async () => {
    standStill(1_200);
    const first = pass();
    asked[0]?.reject(new Error('the broker is away'));
    await settle();
    expect(first.told).toBeInstanceOf(AppError);
    expect(first.told).toMatchObject({ code: 'broker_unavailable' });
    const second = pass();
    asked[1]?.resolve();
    await settle();
    expect(second).toEqual({ told: 'goes on' });
  });

  test('that come after it stood still once more wait for a look of their own', async () => {
    standStill(1_200);
    const first = pass();
    standStill(1_200);
    const second = pass();
    asked[0]?.resolve();
    await settle();
    expect([first, second, pass()].map(({ told }) => told)).toEqual(['goes on', 'waits', 'waits']);
    asked[1]?.resolve();
    await settle();
    expect([second, pass()].map(({ told }) => told)).toEqual(['goes on', 'goes on']);
    expect(asked).toHaveLength(2);
  });
});
