import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { decodeBody, FLAG_FINAL, FRAME, type AgentId } from '@muster/protocol';
import { frameTo, turn } from '../../testing/capability-harness.js';
import type { FakeSession } from '../../testing/fake-session.js';
import { bytes, metricsHarness, told } from '../../testing/metrics-harness.js';

const [A1, A2, A3] = ['a1', 'a2', 'a3'] as unknown as [AgentId, AgentId, AgentId];
const USUAL = { everyMs: 60_000 };
const WATCHED = { everyMs: 60_000, watch: { everyMs: 1_000, forMs: 10_000 } };

async function setUp(options: Parameters<typeof metricsHarness>[0] = {}) {
  const harness = await metricsHarness(options);
  const { clock, handler } = harness;
  /** Lets time pass in small steps. */
  const pass = async (ms: number): Promise<void> => {
    await turn();
    for (let passed = 0; passed < ms; passed += 100) clock.advance(Math.min(100, ms - passed));
    await turn();
  };
  const history = ({ session, frames }: FakeSession, text: string, isFinal: boolean) => {
    const ref = frames.findLast(({ type }) => type === FRAME.metricsHistory)?.ref ?? 0;
    const flags = isFinal ? FLAG_FINAL : 0;
    return frameTo(handler, session, { type: FRAME.history, ref, flags, body: bytes(text) });
  };
  const asked = ({ types }: FakeSession): number => types.filter((type) => type === FRAME.metricsHistory).length;
  return { ...harness, pass, history, asked };
}

describe('a watched endpoint', () => {
  it('is asked for a sample a second, again every five seconds, and no more at once when the last viewer has left', async () => {
    const { join, send, viewers, pass, count, handler } = await setUp();
    const [one, other] = [join(1), join(2)];
    send(one, 'k', FRAME.keyframe);
    for (let second = 0; second < 12; second += 2) {
      viewers.watch('api-1', [A1]);
      await pass(2_000);
    }
    expect(told(one)).toEqual([USUAL, WATCHED, WATCHED, WATCHED]);
    expect(await count('watched_endpoints')).toBe(1);
    viewers.watch('api-1', []);
    await turn();
    expect(told(one)).toEqual([USUAL, WATCHED, WATCHED, WATCHED, USUAL]);
    await pass(20_000);
    expect(told(one)).toHaveLength(5);
    expect(told(other)).toEqual([USUAL]);
    handler.stop();
  });

  it('stays watched while one of two processes goes on, and is slow seven seconds after the other was killed', async () => {
    const { join, send, viewers, pass, handler } = await setUp();
    const one = join(1);
    send(one, 'k', FRAME.keyframe);
    viewers.watch('api-1', [A1]);
    viewers.watch('api-2', [A1]);
    await pass(4_000);
    viewers.watch('api-2', []);
    viewers.watch('api-1', [A1, A2]);
    await pass(6_900);
    expect(told(one).at(-1)).toEqual(WATCHED);
    await pass(200);
    expect(told(one).at(-1)).toEqual(USUAL);
    handler.stop();
  });

  it('sends its frames to its viewers once, in order and together when they come together', async () => {
    const { join, send, viewers, telemetry, flush, count, handler } = await setUp();
    const [one, other] = [join(1, { epoch: 7 }), join(2)];
    for (const api of ['api-1', 'api-2']) viewers.watch(api, [A1]);
    viewers.watch('api-3', [A2]);
    viewers.watch('api-3', []);
    await turn();
    send(one, 'k', FRAME.keyframe);
    send(one, 'd1');
    send(one, 'p', FRAME.processes);
    send(other, 'unwatched');
    await turn();
    const [message, ...others] = viewers.of('watch_frames');
    expect(message).toMatchObject({ org: 'acme', agentId: A1, epoch: 7 });
    expect(message?.frames.map(([type]) => type)).toEqual([FRAME.keyframe, FRAME.delta, FRAME.processes]);
    expect(others).toEqual([]);
    expect(viewers.textsOf(A1)).toEqual(['k', 'd1', 'p']);
    expect(await count('watch_frames_total')).toBe(3);
    // Telemetry services get them too.
    await flush();
    expect(telemetry.textsOf(A1)).toEqual(['k', 'd1', 'p']);
    handler.stop();
  });

  it('is watched from the start when it arrives while it is watched, and its former session ends for viewers', async () => {
    const { join, leave, viewers, send, pass, handler } = await setUp();
    viewers.watch('api-1', [A1, A2]);
    await turn();
    const one = join(1, { epoch: 3 });
    expect(told(one)).toEqual([WATCHED]);
    const newer = join(1, { epoch: 4 });
    handler.closed(one.session);
    expect(told(newer)).toEqual([WATCHED]);
    send(newer, 'k', FRAME.keyframe);
    leave(newer);
    await pass(100);
    expect(viewers.messages.map(({ t }) => t)).toEqual(['watch_frames', 'watch_ended']);
    expect(viewers.of('watch_ended')).toEqual([{ t: 'watch_ended', agentId: A1, epoch: 4 }]);
    handler.stop();
  });

  it('is watched although its policy is `off`, and sends nothing otherwise', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'metrics-policy-'));
    const policyFile = join(folder, 'policy.json');
    await writeFile(policyFile, JSON.stringify({ rules: [{ selector: 'os=linux', interval: 'off' }] }));
    const { join: arrive, send, viewers, telemetry, handler, flush, count } = await setUp({ policyFile });
    const one = arrive(1);
    send(one, 'on its way');
    viewers.watch('api-1', [A1]);
    await flush();
    send(one, 'x', FRAME.keyframe);
    viewers.watch('api-1', []);
    await flush();
    expect(told(one)).toEqual([{ ...WATCHED, everyMs: 0, keyframe: true }, { everyMs: 0 }]);
    expect(telemetry.textsOf(A1)).toEqual(['x']);
    expect(await count('samples_total{result="off"}')).toBe(1);
    handler.stop();
    await rm(folder, { recursive: true });
  });

  it('over Poll is asked for until its next poll, and one second samples for a minute at most', async () => {
    const { join, viewers, handler } = await setUp();
    const polling = (num: number, intervalMs: number): FakeSession => {
      const fake = join(num, { mode: 'poll' });
      Object.assign(fake.session.connection, { intervalMs });
      return fake;
    };
    const [fast, slow] = [polling(1, 10_000), polling(2, 300_000)];
    viewers.watch('api-1', [A1, A2]);
    await turn();
    expect([fast, slow].map((fake) => told(fake).at(-1)?.watch)).toEqual([
      { everyMs: 1_000, forMs: 20_000 },
      { everyMs: 1_000, forMs: 60_000 },
    ]);
    handler.stop();
  });

  it('beyond the bound keeps its interval and is counted, and is watched when there is room', async () => {
    const { join, viewers, count, handler } = await setUp({ maxWatched: 2 });
    const fakes = [join(1), join(2), join(3)];
    viewers.watch('api-1', [A1, A2, A3]);
    await turn();
    const isWatched = (): boolean[] => fakes.map((fake) => told(fake).at(-1)?.watch !== undefined);
    expect(isWatched()).toEqual([true, true, false]);
    expect(await count('refused_watches_total{reason="endpoints"}')).toBe(1);
    viewers.watch('api-1', [A2, A3]);
    await turn();
    expect(isWatched()).toEqual([false, true, true]);
    handler.stop();
  });

  it('loses what comes while the broker is away, and is not asked any more when the leases have ended', async () => {
    const { join, send, viewers, broker, pass, count, handler } = await setUp();
    const one = join(1);
    viewers.watch('api-1', [A1]);
    await turn();
    send(one, 'k', FRAME.keyframe);
    broker.interrupt();
    await pass(100);
    send(one, 'd');
    await pass(8_000);
    broker.restore();
    await pass(2_000);
    expect(viewers.textsOf(A1)).not.toContain('d');
    expect(await count('dropped_total{reason="watch"}')).toBeGreaterThanOrEqual(1);
    expect(told(one).at(-1)).toEqual(USUAL);
    handler.stop();
  });
});

describe('a process that begins to watch', () => {
  it('gets the last keyframe and delta first, and the history that is asked for once', async () => {
    const { join, send, viewers, history, asked, pass, count, handler } = await setUp();
    const one = join(1);
    for (const [text, type] of [
      ['k1', FRAME.keyframe],
      ['k2', FRAME.keyframe],
      ['d1', FRAME.delta],
      ['d2', FRAME.delta],
    ] as const)
      send(one, text, type);
    viewers.watch('api-1', [A1], [A1]);
    viewers.watch('api-1', [A1], [A1]);
    await pass(100);
    expect(viewers.textsOf(A1).slice(0, 2)).toEqual(['k2', 'd2']);
    expect(asked(one)).toBe(1);
    expect(history(one, 'h1', false)).toBeUndefined();
    expect(history(one, 'h2', true)).toBeUndefined();
    await turn();
    const pieces = viewers
      .of('watch_history')
      .map(({ api, final, body }) => [api, final, Buffer.from(body).toString()]);
    expect(pieces).toEqual([
      ['api-1', false, 'h1'],
      ['api-1', true, 'h2'],
    ]);
    // It crossed the answer.
    viewers.watch('api-1', [A1], [A1]);
    await pass(100);
    expect(asked(one)).toBe(1);
    viewers.watch('api-2', [A1], [A1]);
    await pass(100);
    expect(asked(one)).toBe(2);
    expect(await count('histories_total{result="complete"}')).toBe(1);
    expect(await count('history_requests')).toBe(1);
    handler.stop();
  });

  it('gets minutes only where its viewers want them, also later than the seconds', async () => {
    const { join, viewers, history, pass, handler } = await setUp();
    const one = join(1);
    const wanted = (): unknown[] =>
      one.frames
        .filter(({ type }) => type === FRAME.metricsHistory)
        .map(({ body }) => {
          const decoded = decodeBody('metricsHistory', body);
          return decoded.ok && decoded.body;
        });
    const seconds = { secondsMs: 600_000, minutesMs: 0 };
    viewers.watch('api-1', [A1], [A1], [A1]);
    await pass(100);
    expect(wanted()).toEqual([seconds]);
    history(one, 's', true);
    viewers.watch('api-1', [A1], [A1], [A1]);
    await pass(100);
    viewers.watch('api-1', [A1], [A1]);
    await pass(100);
    expect(wanted()).toEqual([seconds, { secondsMs: 600_000, minutesMs: 86_400_000 }]);
    history(one, 'm', true);
    await turn();
    const pieces = viewers
      .of('watch_history')
      .map(({ secondsOnly, body }) => [secondsOnly, Buffer.from(body).toString()]);
    expect(pieces).toEqual([
      [true, 's'],
      [undefined, 'm'],
    ]);
    handler.stop();
  });

  it('gets the pieces in few messages when it says that it can read them, and a long history in parts', async () => {
    const { join, viewers, history, pass, handler } = await setUp();
    const one = join(1);
    viewers.joining.add('api-1');
    viewers.watch('api-1', [A1], [A1], [A1]);
    await pass(100);
    const large = 'x'.repeat(60 * 1024);
    const sent = ['h1', 'h2', large, large, large, 'h6'];
    for (const text of sent) expect(history(one, text, text === 'h6')).toBeUndefined();
    await turn();
    const got = viewers.of('watch_history').map(({ body, more = [], final, secondsOnly }) => ({
      ...{ final, secondsOnly },
      texts: [body, ...more].map((bytes) => Buffer.from(bytes).toString()),
    }));
    expect(got).toEqual([
      { final: false, secondsOnly: true, texts: sent.slice(0, 5) },
      { final: true, secondsOnly: true, texts: ['h6'] },
    ]);
    handler.stop();
  });

  it('makes the agent send a keyframe at once when there is none', async () => {
    const { join, send, viewers, pass, handler } = await setUp();
    const one = join(1);
    viewers.watch('api-1', [A1], [A1]);
    await pass(5_100);
    expect(told(one).slice(1)).toEqual([
      { ...WATCHED, keyframe: true },
      { ...WATCHED, keyframe: true },
    ]);
    send(one, 'k', FRAME.keyframe);
    viewers.watch('api-1', [A1]);
    await pass(5_100);
    expect(told(one).at(-1)).toEqual(WATCHED);
    handler.stop();
  });

  it('is asked for again when the agent did not answer in time; a late answer goes to nobody', async () => {
    const { join, viewers, history, asked, pass, count, handler } = await setUp();
    const one = join(1);
    const watch = async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += 1_000) {
        viewers.watch('api-1', [A1], [A1]);
        await pass(1_000);
      }
    };
    await watch(14_000);
    expect(asked(one)).toBe(1);
    await watch(3_000);
    expect(asked(one)).toBe(2);
    expect(await count('histories_total{result="timed_out"}')).toBe(1);
    viewers.watch('api-1', []);
    await turn();
    expect(history(one, 'late', true)).toBeUndefined();
    expect(await count('histories_total{result="unasked"}')).toBe(0);
    // That was the end of the answer.
    expect(history(one, 'later', true)).toBeUndefined();
    await turn();
    expect(viewers.of('watch_history')).toEqual([]);
    expect(await count('histories_total{result="unasked"}')).toBe(1);
    handler.stop();
  });

  it('that left while the history was on its way costs the endpoint none of its samples', async () => {
    const { join, send, viewers, history, asked, count, handler } = await setUp();
    const one = join(1);
    viewers.watch('api-1', [A1], [A1]);
    await turn();
    viewers.watch('api-1', []);
    await turn();
    for (let i = 0; i < 500; i += 1) expect(history(one, 'x', false)).toBeUndefined();
    send(one, 'k', FRAME.keyframe);
    expect(await count('samples_total{result="taken"}')).toBe(1);
    expect([await count('samples_total{result="over"}'), viewers.of('watch_history')]).toEqual([0, []]);
    // Who comes back is not given half of it.
    viewers.watch('api-1', [A1], [A1]);
    await turn();
    expect(asked(one)).toBe(2);
    handler.stop();
  });

  it('waits while many others do', async () => {
    const { join, viewers, asked, count, handler } = await setUp();
    const one = join(1);
    for (let i = 0; i < 10; i += 1) viewers.watch(`api-${i}`, [A1], [A1]);
    await turn();
    expect(asked(one)).toBe(8);
    expect(await count('histories_total{result="busy"}')).toBe(2);
    handler.stop();
  });

  it('does not get history without end, of another session, or that nobody asked for; such frames count against the rate', async () => {
    const { join, viewers, history, handler, count } = await setUp();
    const [one, other] = [join(1), join(2)];
    viewers.watch('api-1', [A1], [A1]);
    await turn();
    other.frames.push(...one.frames.filter(({ type }) => type === FRAME.metricsHistory));
    expect(history(other, 'not mine', true)).toBeUndefined();
    for (let i = 0; i < 600; i += 1) history(one, 'x', false);
    await turn();
    expect(viewers.of('watch_history')).toHaveLength(512);
    expect(await count('histories_total{result="too_long"}')).toBe(1);
    expect(history(one, 'x'.repeat(64 * 1024 + 1), false)).toMatchObject({ reason: 'tooBig' });
    let fault: unknown;
    for (let i = 0; i < 1_200 && fault === undefined; i += 1) fault = history(one, 'x', false);
    expect(fault).toMatchObject({ reason: 'overloaded' });
    handler.stop();
  });
});
