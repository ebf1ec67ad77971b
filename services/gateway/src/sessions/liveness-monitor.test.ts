import { describe, expect, it } from '@jest/globals';
import { CAPABILITY, type CloseReason, type SessionMode } from '@muster/protocol';
import { FakeClock } from '@muster/runtime/testing';
import { fakeSession } from '../testing/fake-session.js';
import { SessionTable } from './hub/session-table.js';
import { heartbeatsFor, LivenessMonitor } from './liveness-monitor.js';

const HELLO_DEADLINE_MS = 10_000;
const PROBE_AT_MS = 9_000;
const HEARTBEAT_MS = 15_000;
const PAIRED = { pairedMs: 48_000, gatewayMs: 25_000 };

function setUp() {
  const clock = new FakeClock();
  const table = new SessionTable();
  const ends: { readonly num: number; readonly reason: CloseReason; readonly countAs: CloseReason; atMs: number }[] =
    [];
  const monitor = new LivenessMonitor({
    ...{ clock, table, heartbeats: { aloneMs: HEARTBEAT_MS, ...PAIRED }, random: () => 1 },
    end: (session, reason, _detail, countAs = reason) => {
      table.delete(session);
      session.state = 'closed';
      ends.push({ num: session.num, reason, countAs, atMs: clock.monotonic() });
    },
  });
  monitor.start();
  /** A connection that waits for its hello. */
  const opened = (num: number, mode: SessionMode = 'live') => {
    const fake = fakeSession(num, { mode, deadlineMs: HELLO_DEADLINE_MS });
    fake.session.state = 'challenged';
    table.add(fake.session);
    return fake;
  };
  const ready = (num: number, mode: SessionMode = 'live') => {
    const fake = opened(num, mode);
    fake.session.challenge = undefined;
    fake.session.state = 'ready';
    table.pending.delete(fake.session);
    return fake;
  };
  return { clock, table, monitor, ends, opened, ready };
}

describe('a connection that waits for its hello', () => {
  it('is sent one ping, a second before the deadline, and closed with 4002 at the deadline when it answers that', () => {
    const { clock, monitor, ends, opened } = setUp();
    const { session, pings } = opened(1);
    clock.advance(PROBE_AT_MS - 500);
    expect(pings).toEqual([]);
    clock.advance(500);
    expect(pings.map((data) => data.length)).toEqual([16]);
    monitor.ponged(session, Uint8Array.from(pings[0]!));
    clock.advance(500);
    expect([pings.length, ends]).toEqual([1, []]);
    clock.advance(500);
    expect(ends).toEqual([{ num: 1, reason: 'helloTimeout', countAs: 'helloTimeout', atMs: HELLO_DEADLINE_MS }]);
  });

  it('is closed with 1002 at the deadline when it does not answer the ping', () => {
    const { clock, ends, opened } = setUp();
    opened(1);
    clock.advance(HELLO_DEADLINE_MS - 500);
    expect(ends).toEqual([]);
    clock.advance(500);
    expect(ends).toEqual([{ num: 1, reason: 'protocolError', countAs: 'protocolError', atMs: HELLO_DEADLINE_MS }]);
  });

  it.each([
    ['other data of the same length', (data: Uint8Array) => data.with(15, 0)],
    ['the beginning of the data', (data: Uint8Array) => data.slice(0, 15)],
    ['more than the data', (data: Uint8Array) => Uint8Array.from([...data, 0x82])],
    ['nothing', () => new Uint8Array(0)],
  ])('is closed with 1002 at once when the pong brings %s', (_what, bent) => {
    const { clock, monitor, ends, opened } = setUp();
    const { session, pings } = opened(1);
    clock.advance(PROBE_AT_MS);
    monitor.ponged(session, bent(Uint8Array.from(pings[0]!)));
    expect(ends).toEqual([{ num: 1, reason: 'protocolError', countAs: 'protocolError', atMs: PROBE_AT_MS }]);
  });

  it('may send any pong before it is asked for one, and after it has answered', () => {
    const { clock, monitor, ends, opened } = setUp();
    const { session, pings } = opened(1);
    monitor.ponged(session, new Uint8Array(3));
    clock.advance(PROBE_AT_MS);
    monitor.ponged(session, Uint8Array.from(pings[0]!));
    monitor.ponged(session, new Uint8Array(3));
    clock.advance(500);
    expect(ends).toEqual([]);
    clock.advance(500);
    expect(ends).toMatchObject([{ reason: 'helloTimeout' }]);
  });

  it('is closed with 1002 when its first ping comes where a pong is due', () => {
    const { clock, monitor, ends, opened } = setUp();
    const { session } = opened(1);
    clock.advance(PROBE_AT_MS);
    monitor.pinged(session);
    expect(ends).toMatchObject([{ reason: 'protocolError', atMs: PROBE_AT_MS }]);
  });

  it('has answered with a ping when it sent pings before', () => {
    const { clock, monitor, ends, opened } = setUp();
    const { session } = opened(1);
    monitor.pinged(session);
    clock.advance(PROBE_AT_MS);
    monitor.pinged(session);
    clock.advance(1_000);
    expect(ends).toMatchObject([{ reason: 'helloTimeout' }]);
  });

  it('of an agent that polls is not sent a ping, and is closed with 4002', () => {
    const { clock, ends, opened } = setUp();
    const { pings } = opened(1, 'poll');
    clock.advance(HELLO_DEADLINE_MS);
    expect([pings, ends]).toMatchObject([[], [{ reason: 'helloTimeout', atMs: HELLO_DEADLINE_MS }]]);
  });

  it('is left alone when its hello has come meanwhile', () => {
    const { clock, ends, opened } = setUp();
    const { session } = opened(1);
    clock.advance(PROBE_AT_MS);
    session.challenge = undefined;
    clock.advance(HEARTBEAT_MS);
    expect(ends).toEqual([]);
  });
});

describe('a session', () => {
  it('is closed with 1002, counted as silent, a heartbeat and a fifth after the last whole frame', () => {
    const { clock, ends, ready } = setUp();
    const { session } = ready(1);
    clock.advance(10_000);
    session.quietSweeps = 0;
    clock.advance(18_000);
    expect(ends).toEqual([]);
    clock.advance(500);
    expect(ends).toEqual([{ num: 1, reason: 'protocolError', countAs: 'silent', atMs: 28_500 }]);
  });

  it('stays as long as it sends pings or pongs, whatever their data', () => {
    const { clock, monitor, ends, ready } = setUp();
    const [pinging, ponging] = [ready(1).session, ready(2).session];
    for (let i = 0; i < 10; i += 1) {
      clock.advance(HEARTBEAT_MS);
      monitor.pinged(pinging);
      monitor.ponged(ponging, new Uint8Array(5));
    }
    expect(ends).toEqual([]);
  });

  it('of an agent that polls, or that is not ready, is watched by others', () => {
    const { clock, ends, ready } = setUp();
    ready(1, 'poll');
    ready(2).session.state = 'registering';
    clock.advance(10 * HEARTBEAT_MS);
    expect(ends).toEqual([]);
  });

  it('is not watched after the monitor has stopped', () => {
    const { clock, monitor, ends, ready } = setUp();
    ready(1);
    monitor.stop();
    clock.advance(10 * HEARTBEAT_MS);
    expect([ends, clock.pendingTimers]).toEqual([[], 0]);
  });
});

describe('a session whose agent takes heartbeats', () => {
  const take = { capabilities: [CAPABILITY.heartbeat] };

  it('is sent one within each interval that WELCOME promises, and no more', () => {
    const { clock, monitor, ready } = setUp();
    const fake = ready(1);
    monitor.began(fake.session, take);
    expect(monitor.promises(fake.session)).toEqual({
      heartbeatMs: PAIRED.pairedMs,
      gatewayHeartbeatMs: PAIRED.gatewayMs,
    });
    for (let round = 1; round <= 10; round += 1) {
      clock.advance(PAIRED.gatewayMs);
      fake.session.quietSweeps = 0;
      expect(fake.beats).toBe(round);
    }
  });

  it('costs one heartbeat and one pong in each interval of its agent’s pings', () => {
    const { clock, monitor, ready } = setUp();
    const fake = ready(1);
    monitor.began(fake.session, take);
    monitor.pinged(fake.session);
    for (let round = 1; round <= 20; round += 1) {
      // A few milliseconds of timers and network, so that pings do not stay in step with sweeps.
      clock.advance(PAIRED.pairedMs + 13);
      monitor.pinged(fake.session);
      expect(fake.beats).toBe(round);
    }
  });

  it('is closed as silent after a fifth more than its own interval', () => {
    const { clock, monitor, ends, ready } = setUp();
    monitor.began(ready(1).session, take);
    clock.advance(1.2 * PAIRED.pairedMs);
    expect(ends).toEqual([]);
    clock.advance(1_000);
    expect(ends).toMatchObject([{ countAs: 'silent' }]);
  });

  it('is told nothing of it, and sent none, when the agent does not say so, or polls', () => {
    const { clock, monitor, ready } = setUp();
    const [silent, polling] = [ready(1), ready(2, 'poll')];
    monitor.began(silent.session, { capabilities: [CAPABILITY.query] });
    monitor.began(polling.session, take);
    clock.advance(HEARTBEAT_MS);
    for (const { session, beats } of [silent, polling])
      expect([monitor.promises(session), beats]).toEqual([{ heartbeatMs: HEARTBEAT_MS }, 0]);
  });
});

describe('the heartbeats', () => {
  it.each([
    [60_000, 25_000, 48_000, 25_000],
    [120_000, 25_000, 48_000, 25_000],
    [45_000, 18_750, 36_000, 18_875],
    [8_000, 3_333, 6_400, 3_767],
  ])('for a silence of %d ms come every %d ms, or %d and %d ms', (silenceMs, aloneMs, pairedMs, gatewayMs) => {
    expect(heartbeatsFor(silenceMs)).toEqual({ aloneMs, pairedMs, gatewayMs });
  });
});
