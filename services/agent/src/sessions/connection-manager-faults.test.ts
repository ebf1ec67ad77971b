import { describe, expect, test } from '@jest/globals';
import { silentLogger } from '@muster/runtime/program';
import { FakeClock } from '@muster/runtime/testing';
import { HELLO } from '../testing/connection-fixture.js';
import { FaultyGateway } from '../testing/faulty-gateway.js';
import { ConnectionManager } from './connection-manager.js';
import { AssignedMode } from '../capabilities/modes/assigned-mode.js';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Numbers that are as random as Math.random, and the same at every run. */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

/** The most that were begun within a minute. */
function busiestMinute(atMs: readonly number[]): number {
  let from = 0;
  let most = 0;
  for (const [to, nowMs] of atMs.entries()) {
    while ((atMs[from] ?? 0) <= nowMs - MINUTE) from += 1;
    most = Math.max(most, to - from + 1);
  }
  return most;
}

describe('random faults of gateways and network for hours', () => {
  test.each(Array.from({ length: 30 }, (_, i) => i + 1))(
    'the agent has one session, never loops, and uses the assigned mode when everything works again (%i)',
    async (seed) => {
      const clock = new FakeClock();
      const random = randomNumbers(seed * 7_919);
      const gateway = new FaultyGateway(clock, random);
      const desired = new AssignedMode({ folder: '/nowhere', clock, logger: silentLogger });
      let token: string | undefined = 'first';
      const enrolledAtMs: number[] = [];
      const manager = new ConnectionManager({
        gateways: ['https://one', 'https://two'],
        connect: gateway.connect,
        desired,
        clock,
        random,
        logger: silentLogger,
        credentials: {
          token: () => token,
          setToken: (next) => void (token = next),
          enrol: () => {
            enrolledAtMs.push(clock.monotonic());
            if (!gateway.isHealthy && random() < 0.7)
              return Promise.resolve({ kind: 'refused' as const, refusal: { status: 401, code: 'enrolment_refused' } });
            token = 'next';
            return Promise.resolve({ kind: 'enrolled' as const, agentId: 'a', num: 1, token });
          },
          hello: () => HELLO,
          connectProof: () => 'proof',
        },
        capabilities: [desired],
      });
      manager.start();
      for (let minutes = 0; minutes < 24 * 60; minutes += 1) {
        if (random() < 0.1) manager.renew();
        await clock.advanceAsync(MINUTE);
      }
      expect(gateway.most).toEqual({ ready: 1, unready: 1 });
      expect(busiestMinute(gateway.begunAtMs)).toBeLessThan(40);
      expect(busiestMinute(enrolledAtMs)).toBeLessThan(10);

      gateway.isHealthy = true;
      await clock.advanceAsync(3 * HOUR);
      expect([manager.state, manager.mode]).toEqual(['active', desired.setting.mode]);
      expect(gateway.states()).toEqual(['ready']);
      const stopped = manager.stop();
      await clock.advanceAsync(1_000);
      await stopped;
      expect(gateway.states()).toEqual([]);
    },
  );
});
