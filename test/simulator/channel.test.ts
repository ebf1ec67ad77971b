import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { encodeBody, encodeFrame, FRAME, type ModeBody } from '@muster/protocol';
import { Channel, completeChannelBehaviour, type ChannelBehaviour } from './channel.js';
import { FakeGateway, type FakeSession } from './fake-gateway.js';
import { Fleet } from './fleet.js';

const modeBody = (mode: 'live' | 'poll', more: Partial<ModeBody> = {}): ModeBody => {
  return { mode, intervalMs: 1_000, reason: 'test', spreadMs: 0, ...more };
};
const modeFrame = (body: ModeBody): Uint8Array => encodeFrame(FRAME.mode, 0, encodeBody('mode', body));

describe('simulated agents that are told which channel to use', () => {
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

  it('change, there and back: the next session is ready before the old one ends, and names it', async () => {
    await start({ pollIntervalMs: 20 });
    const live = newest();
    live.send(modeFrame(modeBody('poll')));
    expect(await live.closed).toBe(1000);
    const poll = newest();
    expect([poll.mode, poll.hello.replaces]).toEqual(['poll', 1]);
    await onlyOn('poll');
    // Nothing waits for it: it hears of the change with its next poll.
    poll.send(modeFrame(modeBody('live')));
    expect(await poll.closed).toBe(1000);
    expect([newest().mode, newest().hello.replaces, fleet.stats.changes]).toEqual(['live', 2, 2]);
    expect(fleet.agents[0]!.mode).toBe('live');
  });

  it('go where WELCOME says', async () => {
    gateway.mode = modeBody('poll');
    await start({}, 10);
    await onlyOn('poll');
    expect(gateway.history.map(({ mode }) => mode).filter((mode) => mode === 'live')).toHaveLength(10);
  });

  it('end up on the channel that was named last, however often it changes meanwhile', async () => {
    await start({ pollIntervalMs: 20 }, 20);
    for (let i = 0; i < 30; i += 1) {
      for (const session of gateway.sessions.values()) session.send(modeFrame(modeBody(i % 2 === 0 ? 'poll' : 'live')));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    gateway.mode = modeBody('poll');
    for (const session of gateway.sessions.values()) session.send(modeFrame(modeBody('poll')));
    await onlyOn('poll');
    expect(fleet.count('ready')).toBe(20);
  }, 20_000);

  it('go on by themselves when a lease ends', async () => {
    await start({ mode: 'poll', pollIntervalMs: 20 });
    const next = { mode: 'poll', intervalMs: 1_000 } as const;
    newest().send(modeFrame(modeBody('live', { lease: { forMs: 1_000, next } })));
    await onlyOn('live');
    await onlyOn('poll');
    expect(gateway.history.map(({ mode }) => mode)).toEqual(['poll', 'live', 'poll']);
  });

  it('stay where they are without the capability, and are not told', async () => {
    gateway.mode = modeBody('live');
    await start({ mode: 'poll', capable: false });
    expect(newest().hello.capabilities).not.toContain('mode');
    expect(fleet.agents[0]!.mode).toBe('poll');
  });

  it('are of both kinds in a mixed fleet', async () => {
    await start({ mode: 'mixed' }, 10);
    expect(fleet.stats.sessions).toEqual({ live: 5, poll: 5 });
  });

  it('poll while Live cannot be had, say why, and are back as soon as it can', async () => {
    gateway.refuseUpgradesWith = 502;
    await start({ fallback: true, retryMs: 50 });
    const poll = newest();
    expect(poll).toMatchObject({ mode: 'poll', hello: { away: { why: 'refused with 502' } } });
    expect(poll.hello.away!.failures).toBeGreaterThanOrEqual(3);
    gateway.refuseUpgradesWith = undefined;
    await onlyOn('live');
    expect(newest()).toMatchObject({ mode: 'live', hello: { away: { why: 'refused with 502' } } });
    expect(await poll.closed).toBe(1000);
  }, 20_000);
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

  const received = async (count: number): Promise<void> => {
    await new Promise<void>((resolve) => {
      gateway.onFrame = () => {
        if (gateway.received.length >= count) resolve();
      };
      gateway.onFrame();
    });
  };

  it('says it again when a reply is lost, and takes and gives nothing twice', async () => {
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

  it('opens a new session when nobody knows the one it has', async () => {
    gateway.poll.forget();
    await fleet.waitFor(() => gateway.history.length === 2 && fleet.count('ready') === 1);
    expect([...fleet.stats.ends.keys()]).toEqual(['closed 1001 goingAway']);
    expect(gateway.history[1]!.hello.replaces).toBe(1);
  });

  it('comes when it was told to, not when it usually does', async () => {
    gateway.poll.pollAfterMs = 60_000;
    gateway.ask(5, { sql: 'SELECT 1, 2' });
    await received(1);
    await fleet.waitFor(() => gateway.poll.requests.at(-1) === 'POST');
    const { polls } = fleet.stats;
    // Two beats of the fleet: at its usual interval it would have come twenty times.
    let beats = 0;
    await fleet.waitFor(() => (beats += 1) > 2);
    expect(fleet.stats.polls - polls).toBeLessThan(2);
  });

  it('waits out what a gateway cannot answer now, without losing its session', async () => {
    gateway.poll.refuseWith = 503;
    await fleet.waitFor(() => fleet.stats.repeatedPolls > 0);
    gateway.poll.refuseWith = undefined;
    gateway.ask(5, { sql: 'SELECT 1, 2' });
    await received(1);
    expect(gateway.history).toHaveLength(1);
  });

  it('says a large answer in several requests', async () => {
    const sql = `SELECT name, printf('%.*c', 100000, 'x') FROM deb_packages LIMIT 30`;
    gateway.ask(5, { sql, credit: 4_000_000 });
    await new Promise<void>((resolve) => {
      gateway.onFrame = () => gateway.received.at(-1)?.final && resolve();
      gateway.onFrame();
    });
    expect(gateway.received.reduce((sum, { body }) => sum + body.length, 0)).toBeGreaterThan(3_000_000);
    expect(gateway.poll.requests.filter((request) => request === 'POST').length).toBeGreaterThanOrEqual(5);
  });
});

describe('the channel of an agent', () => {
  const failure = { heldMs: 0, why: 'no' };
  const channelOf = (more: Partial<ChannelBehaviour> = {}): Channel =>
    new Channel(completeChannelBehaviour({ fallback: true, ...more }), 0);
  const afterThree = (channel: Channel): Channel => {
    for (let i = 0; i < 3; i += 1) channel.failed('live', failure, 1_000 * i);
    return channel;
  };

  it('is Poll after three failures of Live in a row, and says since when', () => {
    const channel = channelOf();
    channel.failed('live', failure, 0);
    channel.failed('live', failure, 0);
    expect([channel.next, channel.nextTryMs()]).toEqual(['live', undefined]);
    channel.failed('live', failure, 5_000);
    expect([channel.next, channel.wanted, channel.awayFor(7_000).away]).toEqual([
      'poll',
      'poll',
      { forMs: 7_000, failures: 3, why: 'no' },
    ]);
    expect(channel.nextTryMs()).toBeLessThanOrEqual(30_000);
  });

  it('stays Live when a session held in between, when it was told to poll, and when it does not fall back', () => {
    const held = channelOf();
    held.failed('live', failure, 0);
    held.failed('live', failure, 0);
    held.failed('live', { heldMs: 30_000, why: 'cut' }, 0);
    held.failed('live', failure, 0);
    expect(held.next).toBe('live');
    expect(afterThree(channelOf({ fallback: false })).next).toBe('live');
    expect(afterThree(channelOf({ capable: false })).next).toBe('live');
  });

  it('takes turns when Poll fails too', () => {
    const channel = afterThree(channelOf());
    channel.failed('poll', failure, 0);
    expect([channel.next, channel.wanted]).toEqual(['live', 'poll']);
    channel.failed('live', failure, 0);
    expect(channel.next).toBe('poll');
  });

  it('is as told once a Live session is ready, or Poll is ordered', () => {
    const back = afterThree(channelOf());
    back.ready('live');
    expect([back.wanted, back.awayFor(0)]).toEqual(['live', {}]);
    const told = afterThree(channelOf());
    told.tell(modeBody('poll'), 0, 0);
    expect([told.wanted, told.awayFor(0), told.nextTryMs()]).toEqual(['poll', {}, undefined]);
  });

  it('counts a lease from when it was said', () => {
    const channel = channelOf();
    channel.tell(modeBody('poll', { lease: { forMs: 1_000, next: { mode: 'live', intervalMs: 5_000 } } }), 400, 0);
    expect([channel.lapse(599), channel.wanted]).toEqual([undefined, 'poll']);
    expect([channel.lapse(600), channel.wanted, channel.intervalMs]).toEqual([expect.any(Number), 'live', 5_000]);
    expect(channel.lapse(700)).toBeUndefined();
  });
});
