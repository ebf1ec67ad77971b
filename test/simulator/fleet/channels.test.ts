import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { encodeBody, encodeFrame, FRAME, type ModeBody } from '@muster/protocol';
import type { ChannelBehaviour } from '../agent/channel-selector.js';
import { FakeGateway, type FakeSession } from '../testing/fake-gateway.js';
import { Fleet } from './fleet.js';

const modeBody = (mode: 'live' | 'poll', more: Partial<ModeBody> = {}): ModeBody => {
  return { mode, intervalMs: 1_000, reason: 'test', spreadMs: 0, ...more };
};
const modeFrame = (body: ModeBody): Uint8Array => encodeFrame(FRAME.mode, 0, encodeBody('mode', body));

describe('simulated agents whose channel a gateway assigns', () => {
  let gateway: FakeGateway;
  let url: string;
  let fleet: Fleet;

  beforeEach(async () => {
    gateway = new FakeGateway();
    url = await gateway.listen();
  });
  afterEach(async () => {
    await fleet.stop();
    await gateway.stop();
  });

  const start = async (channel: Partial<ChannelBehaviour> = {}, agents = 1): Promise<void> => {
    fleet = new Fleet({ gateways: [url], org: 'acme', enrolSecret: 's', agents, channel });
    await fleet.start();
  };
  const newest = (): FakeSession => gateway.history.at(-1)!;
  const onlyOn = (mode: 'live' | 'poll'): Promise<void> =>
    fleet.waitFor(() => {
      const { sessions } = fleet.stats;
      return sessions[mode] === fleet.agents.length && sessions.live + sessions.poll === fleet.agents.length;
    });

  it('change from Live to Poll and back: the next session is ready before the old one ends, and replaces it', async () => {
    await start({ pollIntervalMs: 20 });
    const live = newest();
    live.send(modeFrame(modeBody('poll')));
    expect(await live.closed).toBe(1000);
    const poll = newest();
    expect([poll.mode, poll.hello.replaces]).toEqual(['poll', 1]);
    await onlyOn('poll');
    // A poll session learns of the change with its next poll.
    poll.send(modeFrame(modeBody('live')));
    expect(await poll.closed).toBe(1000);
    expect([newest().mode, newest().hello.replaces, fleet.stats.changes]).toEqual(['live', 2, 2]);
    expect(fleet.agents[0]!.mode).toBe('live');
  });

  it('use the channel that WELCOME assigns', async () => {
    gateway.mode = modeBody('poll');
    await start({}, 10);
    await onlyOn('poll');
    expect(gateway.history.map(({ mode }) => mode).filter((mode) => mode === 'live')).toHaveLength(10);
  });

  it('end up on the channel that was assigned last, however often it changes', async () => {
    await start({ pollIntervalMs: 20 }, 20);
    for (let i = 0; i < 30; i += 1) {
      for (const session of gateway.sessions.values()) session.send(modeFrame(modeBody(i % 2 === 0 ? 'poll' : 'live')));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    gateway.mode = modeBody('poll');
    for (const session of gateway.sessions.values()) session.send(modeFrame(modeBody('poll')));
    await onlyOn('poll');
    expect(fleet.count('ready')).toBe(20);
  });

  it('change by themselves when a lease ends', async () => {
    await start({ mode: 'poll', pollIntervalMs: 20 });
    const next = { mode: 'poll', intervalMs: 1_000 } as const;
    newest().send(modeFrame(modeBody('live', { lease: { forMs: 1_000, next } })));
    await onlyOn('live');
    await onlyOn('poll');
    expect(gateway.history.map(({ mode }) => mode)).toEqual(['poll', 'live', 'poll']);
  });

  it('keep their channel without the capability', async () => {
    gateway.mode = modeBody('live');
    await start({ mode: 'poll', capable: false });
    expect(newest().hello.capabilities).not.toContain('mode');
    expect(fleet.agents[0]!.mode).toBe('poll');
  });

  it('use both channels in a mixed fleet', async () => {
    await start({ mode: 'mixed' }, 10);
    expect(fleet.stats.sessions).toEqual({ live: 5, poll: 5 });
  });

  it('fall back to Poll while Live fails, report why, and return as soon as it works', async () => {
    gateway.refuseUpgradesWith = 502;
    await start({ fallback: true, retryMs: 50 });
    const poll = newest();
    expect(poll).toMatchObject({ mode: 'poll', hello: { away: { why: 'refused with 502' } } });
    expect(poll.hello.away!.failures).toBeGreaterThanOrEqual(3);
    gateway.refuseUpgradesWith = undefined;
    await onlyOn('live');
    expect(newest()).toMatchObject({ mode: 'live', hello: { away: { why: 'refused with 502' } } });
    expect(await poll.closed).toBe(1000);
  });
});

describe('a simulated agent that polls', () => {
  let gateway: FakeGateway;
  let url: string;
  let fleet: Fleet;

  beforeEach(async () => {
    gateway = new FakeGateway();
    url = await gateway.listen();
    fleet = new Fleet({
      gateways: [url],
      org: 'acme',
      enrolSecret: 's',
      agents: 1,
      uniform: true,
      channel: { mode: 'poll', pollIntervalMs: 20 },
    });
    await fleet.start();
  });
  afterEach(async () => {
    await fleet.stop();
    await gateway.stop();
  });

  const received = (count: number): Promise<void> => gateway.until(() => gateway.received.length >= count);

  it('repeats a request when its reply is lost; no frame is handled twice on either side', async () => {
    gateway.poll.loseReplies = 1;
    gateway.ask(5, { sql: 'SELECT name, version FROM deb_packages' });
    await received(1);
    gateway.poll.loseReplies = 1;
    gateway.ask(6, { sql: 'SELECT name, version FROM deb_packages' });
    await received(2);
    await fleet.waitFor(() => fleet.stats.repeatedPolls >= 2);
    expect(fleet.stats).toMatchObject({ queries: 2, answers: 2 });
    expect(gateway.received).toHaveLength(2);
  });

  it('opens a new session when the gateway does not know the old one', async () => {
    gateway.poll.forget();
    await fleet.waitFor(() => gateway.history.length === 2 && fleet.count('ready') === 1);
    expect([...fleet.stats.ends.keys()]).toEqual(['closed 1001 goingAway']);
    expect(gateway.history[1]!.hello.replaces).toBe(1);
  });

  it('polls after the delay that the gateway names, not at its own interval', async () => {
    gateway.poll.pollAfterMs = 60_000;
    gateway.ask(5, { sql: 'SELECT 1, 2' });
    await received(1);
    await fleet.waitFor(() => gateway.poll.requests.at(-1) === 'POST');
    const { polls } = fleet.stats;
    // Within two beats of the fleet it would have polled twenty times at its own interval.
    let beats = 0;
    await fleet.waitFor(() => (beats += 1) > 2);
    expect(fleet.stats.polls - polls).toBeLessThan(2);
  });

  it('keeps its session while the gateway answers 503', async () => {
    gateway.poll.refuseWith = 503;
    await fleet.waitFor(() => fleet.stats.repeatedPolls > 0);
    gateway.poll.refuseWith = undefined;
    gateway.ask(5, { sql: 'SELECT 1, 2' });
    await received(1);
    expect(gateway.history).toHaveLength(1);
  });

  it('sends a large answer in several requests', async () => {
    const sql = `SELECT name, printf('%.*c', 100000, 'x') FROM deb_packages LIMIT 30`;
    gateway.ask(5, { sql, credit: 4_000_000 });
    await gateway.until(() => gateway.received.at(-1)?.final === true);
    expect(gateway.received.reduce((sum, { body }) => sum + body.length, 0)).toBeGreaterThan(3_000_000);
    expect(gateway.poll.requests.filter((request) => request === 'POST').length).toBeGreaterThanOrEqual(5);
  });
});
