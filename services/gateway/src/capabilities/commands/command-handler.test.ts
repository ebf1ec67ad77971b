import { describe, expect, it } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import {
  decodeBody,
  decodeHeader,
  encodeBody,
  FRAME,
  frameBody,
  type AgentId,
  type GatewayId,
  type OrgId,
  type ReportBody,
} from '@muster/protocol';
import { createMetrics, silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { Hub } from '../../sessions/hub/hub.js';
import { makeProfile } from '../../foundation/profile.js';
import { Session } from '../../sessions/hub/session.js';
import { TestCommandService } from '../../testing/test-command-service.js';
import { CommandHandler } from './command-handler.js';
import { createCommandMetrics } from './command-metrics.js';

const ORG = 'acme' as OrgId;
const GATEWAY = 'gw-one' as GatewayId;

async function setUp(change: { checkLease?: () => void } = {}) {
  const broker = new MemoryBroker();
  const connection = broker.connect();
  const service = await new TestCommandService(broker.connect()).start();
  const hub = new Hub();
  const clock = new FakeClock();
  const metrics = createMetrics('gateway');
  const at = { id: GATEWAY };
  const desk = new CommandHandler({
    bus: connection.bus,
    hub,
    clock,
    logger: silentLogger,
    metrics: createCommandMetrics(metrics),
    gatewayId: () => at.id,
    checkLease: change.checkLease ?? (() => undefined),
    reportsPerSecond: 20,
  });
  desk.start();
  /** Lets everything run that is due at the end of this turn of the event loop. */
  const turn = async (): Promise<void> => {
    for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  const counted = async (): Promise<string> => metrics.registry.metrics();
  return { broker, desk, service, hub, clock, turn, at, counted };
}

function join(hub: Hub, num: number, change: { canCommand?: boolean; isOver?: boolean; org?: OrgId } = {}) {
  const { canCommand = true, isOver = false, org = ORG } = change;
  const frames: { type: number; body: Uint8Array }[] = [];
  const connection = {
    address: '127.0.0.1',
    send: (frame: Uint8Array) => {
      if (isOver) return 'closed' as const;
      frames.push({ type: decodeHeader(frame)?.type ?? 0, body: frameBody(frame) });
      return 'sent' as const;
    },
    close: () => undefined,
    ping: () => undefined,
    cork: (run: () => void) => run(),
  };
  const challenge = {
    nonce: new Uint8Array(32),
    token: '',
    publicKey: '',
    factsDigest: '',
    tokenIssuedAtMs: 0,
    tokenExpiresAtMs: 0,
    deadlineMs: 0,
    bytes: 0,
  };
  const session = new Session({ org, agentId: `a${num}` as AgentId, num, mode: 'live', challenge }, connection, 0);
  const facts = {
    os: 'linux',
    arch: 'x64',
    agentVersion: '1',
    mode: 'live',
    canQuery: true,
    canCommand,
    canChangeMode: false,
  } as const;
  session.profile = makeProfile(facts, {}, {});
  session.state = 'ready';
  hub.add(session);
  return { session, frames };
}

const report = (change: Partial<ReportBody> = {}): Uint8Array =>
  encodeBody('report', {
    id: 'c1',
    number: 1,
    state: 'succeeded',
    code: '',
    message: '',
    authentic: true,
    ...change,
  });
const agent = (num: number): AgentId => `a${num}` as AgentId;
const keyList = (version: unknown): string =>
  `h.${Buffer.from(JSON.stringify({ version })).toString('base64url')}.s${String(version)}`;

describe('what command services are told of who is here', () => {
  it('names those that arrive within a moment in one message, and none that takes no commands', async () => {
    const { desk, service, hub, clock, turn } = await setUp();
    for (const num of [3, 1, 2]) desk.sessionReady(join(hub, num).session);
    desk.sessionReady(join(hub, 4, { canCommand: false }).session);
    await turn();
    expect(service.arrivals).toEqual([{ gateway: GATEWAY, nums: [1, 2, 3] }]);
    for (const num of [5, 6]) {
      desk.sessionReady(join(hub, num).session);
      await turn();
    }
    clock.advance(5);
    await turn();
    expect(service.arrivals.slice(1)).toEqual([{ gateway: GATEWAY, nums: [5, 6] }]);
    desk.stop();
  });

  it('names everybody to a service on its first beat, once, and again when it was not heard for a while', async () => {
    const { service, desk, hub, clock, turn } = await setUp();
    for (const num of [1, 2]) join(hub, num);
    join(hub, 3, { canCommand: false });
    const everybody = { gateway: GATEWAY, nums: [1, 2] };
    for (let second = 0; second < 4; second += 1) {
      service.beat();
      clock.advance(1_000);
      await turn();
    }
    expect(service.arrivals).toEqual([everybody]);
    clock.advance(3_000);
    service.beat();
    await turn();
    expect(service.arrivals).toEqual([everybody, everybody]);
    desk.stop();
  });

  it('names everybody when the broker is back, and again on the first beat after that', async () => {
    const { broker, service, desk, hub, clock, turn } = await setUp();
    const { session } = join(hub, 1);
    service.beat();
    await turn();
    broker.interrupt();
    desk.sessionReady(session);
    clock.advance(10);
    await turn();
    service.arrivals.length = 0;
    broker.restore();
    clock.advance(10);
    await turn();
    expect(service.arrivals).toEqual([{ gateway: GATEWAY, nums: [1] }]);
    service.beat();
    clock.advance(10);
    await turn();
    expect(service.arrivals).toHaveLength(2);
    desk.stop();
  });

  it('names everybody under its new name, and listens to that one', async () => {
    const { service, desk, hub, clock, turn, at } = await setUp();
    const { frames } = join(hub, 1);
    at.id = 'gw-two' as GatewayId;
    desk.renamed();
    await turn();
    expect(service.arrivals).toEqual([{ gateway: 'gw-two', nums: [1] }]);
    service.deliver([agent(1)], GATEWAY);
    clock.advance(10);
    await turn();
    expect(frames).toEqual([]);
    service.deliver([agent(1)], at.id);
    await turn();
    expect(frames).toHaveLength(1);
    desk.stop();
  });
});

describe('delivery', () => {
  it('reaches each target with its own number, proof and row, in slices', async () => {
    const { service, desk, hub, turn } = await setUp();
    const joined = Array.from({ length: 1_200 }, (_, i) => join(hub, i + 1));
    const id = service.deliver(
      joined.map((_, i) => agent(i + 1)),
      GATEWAY,
    );
    await turn();
    joined.forEach(({ frames }, i) => {
      expect(frames.map(({ type }) => type)).toEqual([FRAME.command]);
      const body = decodeBody('command', frames[0]!.body);
      expect(body).toMatchObject({ ok: true, body: { id, number: i + 1, jws: 'j', keys: 'k', binding: null } });
    });
    desk.stop();
  });

  it('does not hold whose connection turns out to be over, although nobody has told of its end yet', async () => {
    const { service, hub, turn } = await setUp();
    join(hub, 1);
    join(hub, 2, { isOver: true });
    const id = service.deliver([1, 2].map(agent), GATEWAY);
    await turn();
    expect(service.missing).toMatchObject([{ id, targets: [2] }]);
  });

  it('says of whom it does not hold, unless all gateways were asked; another org’s agent is not held', async () => {
    const { service, desk, hub, turn } = await setUp();
    const { frames } = join(hub, 1);
    const stranger = join(hub, 2, { org: 'globex' as OrgId });
    const all = [1, 2, 3].map(agent);
    service.deliver(all);
    await turn();
    expect(service.missing).toEqual([]);
    const id = service.deliver(all, GATEWAY);
    service.cancel(id, all, GATEWAY);
    await turn();
    expect(service.missing).toMatchObject([
      { gateway: GATEWAY, id, targets: [2, 3] },
      { gateway: GATEWAY, id, targets: [2, 3] },
    ]);
    expect(frames.map(({ type }) => type)).toEqual([FRAME.command, FRAME.command, FRAME.commandCancel]);
    expect(stranger.frames).toEqual([]);
    desk.stop();
  });

  it('answers for an agent that takes no commands, so that nobody waits for it', async () => {
    const { service, desk, hub, turn } = await setUp();
    const { frames } = join(hub, 1, { canCommand: false });
    const id = service.deliver([agent(1)]);
    await turn();
    expect(service.reports).toEqual([
      expect.objectContaining({ org: ORG, agentId: 'a1', num: 1, id, number: 1, state: 'unsupported' }),
    ]);
    expect(service.reports[0]?.code).toBe('no_commands');
    service.keep(service.reports);
    await turn();
    expect(frames).toEqual([]);
    desk.stop();
  });

  it('looks at its lease before it believes anything', async () => {
    let looked = 0;
    const { service, desk, turn } = await setUp({ checkLease: () => (looked += 1) });
    service.beat();
    service.deliver([agent(1)]);
    service.deliver([agent(1)], GATEWAY);
    await turn();
    expect(looked).toBe(3);
    desk.stop();
  });
});

describe('reports', () => {
  it('are passed on in the name of the session that said them, and the agent hears that they are kept', async () => {
    const { service, desk, hub, turn } = await setUp();
    const { session, frames } = join(hub, 7);
    const effects = ['killed pid 5'];
    expect(desk.report(session, report({ state: 'running' }))).toBe('taken');
    expect(desk.report(session, report({ effects }))).toBe('taken');
    await turn();
    const known = { org: ORG, agentId: 'a7', num: 7, id: 'c1', number: 1, code: '', message: '', authentic: true };
    expect(service.reports).toEqual([
      { ...known, state: 'running' },
      { ...known, state: 'succeeded', effects },
    ]);
    service.keep(service.reports.slice(1), GATEWAY);
    await turn();
    expect(frames.map(({ type }) => type)).toEqual([FRAME.reportKept]);
    expect(decodeBody('reportKept', frames[0]!.body)).toEqual({ ok: true, body: { id: 'c1', number: 1 } });
    desk.stop();
  });

  it('cannot claim to be another agent’s, and must fit', async () => {
    const { service, desk, hub, turn } = await setUp();
    const { session } = join(hub, 7);
    const claiming = { ...{ agentId: 'a8', num: 8, org: 'globex' }, state: 'failed' };
    expect(desk.report(session, report(claiming as Partial<ReportBody>))).toBe('taken');
    expect(desk.report(session, report({ state: 'queued' as never }))).toBe('malformed');
    expect(desk.report(session, new Uint8Array([0xff]))).toBe('malformed');
    await turn();
    expect(service.reports).toMatchObject([{ org: ORG, agentId: 'a7', num: 7 }]);
    desk.stop();
  });

  it('wait while the broker is away, but not without bounds', async () => {
    const { broker, service, desk, hub, turn, counted } = await setUp();
    broker.interrupt();
    const agents = Array.from({ length: 600 }, (_, i) => join(hub, i + 1).session);
    for (const session of agents) for (let i = 0; i < 18; i += 1) desk.report(session, report({ number: i + 1 }));
    broker.restore();
    service.beat();
    await turn();
    expect(service.reports).toHaveLength(10_000);
    expect(await counted()).toMatch(/command_reports_total\{[^}]*result="full"[^}]*\} 800\b/);
    desk.stop();
  });

  it('are not heard from a session that floods, while one whose reports are kept may say any number', async () => {
    const { service, desk, hub, clock, turn, counted } = await setUp();
    const [flooding, busy] = [join(hub, 1).session, join(hub, 2).session];
    // Above its rate it is not heard and may go on; far above it must go.
    const results = Array.from({ length: 201 }, () => desk.report(flooding, report()));
    expect(results.filter((result) => result === 'taken')).toHaveLength(200);
    expect(results.at(-1)).toBe('flood');
    await turn();
    expect(service.reports).toHaveLength(20);
    expect(await counted()).toMatch(/command_reports_total\{[^}]*result="rate"[^}]*\} 180\b/);
    for (let round = 0; round < 5; round += 1) {
      for (let i = 0; i < 15; i += 1) expect(desk.report(busy, report())).toBe('taken');
      clock.advance(10);
      await turn();
      service.keep(service.reportsOf(busy.agentId).slice(-15), GATEWAY);
      await turn();
    }
    clock.advance(1_000);
    expect(desk.report(flooding, report())).toBe('taken');
    desk.stop();
  });

  it('are forgotten when the gateway is fenced: what it was told then is not to be believed', async () => {
    const { service, desk, hub, clock, turn, at } = await setUp();
    const { session } = join(hub, 1);
    desk.report(session, report());
    at.id = 'gw-two' as GatewayId;
    desk.fence();
    clock.advance(10);
    await turn();
    expect(service.reports).toEqual([]);
    desk.stop();
  });
});

describe('the list of command keys', () => {
  it('is the newest one that was heard of, whatever comes after it', async () => {
    const { service, desk, turn } = await setUp();
    expect(desk.keys).toBeUndefined();
    for (const keys of [keyList(2), keyList(1), 'nonsense', '', keyList('9'), `x.${'A'.repeat(40_000)}.y`]) {
      service.beat(keys);
    }
    await turn();
    expect(desk.keys).toBe(keyList(2));
    service.beat(keyList(3));
    await turn();
    expect(desk.keys).toBe(keyList(3));
    desk.stop();
  });
});
