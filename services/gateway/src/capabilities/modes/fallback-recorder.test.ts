import { describe, expect, it } from '@jest/globals';
import type { AgentId } from '@muster/protocol';
import type { FallbackRecord } from '@muster/records';
import { createMetrics, silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { fakeSession } from '../../testing/fake-session.js';
import { FallbackRecorder } from './fallback-recorder.js';
import { createModeMetrics } from './mode-metrics.js';

const FALLBACK = { forMs: 40_000, failures: 3, why: 'the proxy does not upgrade' };

function setUp() {
  const clock = new FakeClock();
  const metrics = createMetrics('gateway');
  const kept: (readonly [AgentId, FallbackRecord])[] = [];
  const state = { underWay: 0, most: 0, isUp: true };
  const logged: unknown[] = [];
  const recorder = new FallbackRecorder({
    clock,
    logger: { ...silentLogger, info: (_message, fields) => logged.push(fields) },
    metrics: createModeMetrics(metrics),
    directory: {
      recordFallback: async (_org, agentId, record) => {
        state.most = Math.max(state.most, (state.underWay += 1));
        await new Promise((resolve) => setImmediate(resolve));
        state.underWay -= 1;
        if (!state.isUp) return { kind: 'unavailable', cause: new Error('away') };
        kept.push([agentId, record]);
        return { kind: 'ok' };
      },
    },
  });
  const settle = async (): Promise<void> => {
    do await new Promise((resolve) => setImmediate(resolve));
    while (state.underWay > 0);
  };
  const count = async (name: string): Promise<number> => {
    const match = new RegExp(`^muster_gateway_${name} (\\d+)`, 'm').exec(await metrics.registry.metrics());
    return Number(match?.[1] ?? 0);
  };
  return { clock, recorder, kept, state, logged, settle, count };
}

describe('FallbackRecorder', () => {
  it('records and logs what an agent says', async () => {
    const { clock, recorder, kept, logged, settle, count } = setUp();
    recorder.record(fakeSession(1).session, FALLBACK);
    await settle();
    expect(kept).toEqual([['a1', { ...FALLBACK, mode: 'live', atMs: clock.now() }]]);
    expect(logged).toEqual([{ agentId: 'a1', mode: 'live', ...FALLBACK }]);
    expect(await count('fallbacks_total{mode="live"}')).toBe(1);
    expect(await count('fallback_records_total{result="kept"}')).toBe(1);
  });

  it('records nothing for ten minutes when an agent says the same again', async () => {
    const { clock, recorder, kept, settle, count } = setUp();
    const { session } = fakeSession(1);
    const say = async (why: string): Promise<void> => {
      recorder.record(session, { ...FALLBACK, why });
      await settle();
    };
    for (const why of ['one', 'one', 'other']) await say(why);
    clock.advance(599_999);
    await say('other');
    expect(kept).toHaveLength(2);
    clock.advance(1);
    await say('other');
    expect(kept).toHaveLength(3);
    expect(await count('fallbacks_total{mode="live"}')).toBe(5);
  });

  it('writes a few at a time when a fleet falls back at once, the newest record of each agent, and counts what does not fit', async () => {
    const { recorder, kept, state, settle, count } = setUp();
    const last = fakeSession(4_000).session;
    for (let num = 0; num < 6_000; num += 1) recorder.record(fakeSession(num).session, FALLBACK);
    recorder.record(last, { ...FALLBACK, failures: 4 });
    await settle();
    expect(state.most).toBe(8);
    expect(kept).toHaveLength(5_008);
    expect(kept.filter(([agentId]) => agentId === last.agentId)).toMatchObject([[last.agentId, { failures: 4 }]]);
    expect(await count('fallback_records_total{result="dropped"}')).toBe(992);
  });

  it('records it at the next time when it could not be written', async () => {
    const { recorder, kept, state, settle, count } = setUp();
    const { session } = fakeSession(1);
    state.isUp = false;
    recorder.record(session, FALLBACK);
    await settle();
    expect(await count('fallback_records_total{result="failed"}')).toBe(1);
    state.isUp = true;
    recorder.record(session, FALLBACK);
    await settle();
    expect(kept).toHaveLength(1);
  });

  it('stops when the writes under way are done, and drops what waits', async () => {
    const { recorder, kept, state } = setUp();
    for (let num = 0; num < 20; num += 1) recorder.record(fakeSession(num).session, FALLBACK);
    await recorder.stop();
    expect([kept.length, state.underWay]).toEqual([8, 0]);
  });
});
