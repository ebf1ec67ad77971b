import { describe, expect, it, jest } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import {
  decodeBody,
  encodeBody,
  FRAME,
  type AgentId,
  type CommandId,
  type OrgId,
  type ReportBody,
} from '@muster/protocol';
import type { FakeClock } from '@muster/runtime/testing';
import type { GatewayIdentity } from '../../foundation/gateway-identity.js';
import type { Hub } from '../../sessions/hub/hub.js';
import type { Session } from '../../sessions/hub/session.js';
import { capabilityContext, frameTo, turn } from '../../testing/capability-harness.js';
import { fakeSession, type FakeSession, type FakeSessionOptions } from '../../testing/fake-session.js';
import { TestCommandService } from '../../testing/test-command-service.js';
import { CommandHandler } from './command-handler.js';

const ORG = 'acme' as OrgId;

async function setUp() {
  const broker = new MemoryBroker();
  const connection = broker.connect();
  const service = await new TestCommandService(broker.connect()).start();
  const context = capabilityContext(connection.bus);
  const { hub, clock, metrics, identity } = context;
  const handler = new CommandHandler({ ...context, reportsPerSecond: 20 });
  handler.start();
  const counted = async (): Promise<string> => metrics.registry.metrics();
  /** What became of a report of a session: the reason why the session must end, or `taken`. */
  const reported = (session: Session, body: Uint8Array): string =>
    frameTo(handler, session, { type: FRAME.report, body })?.reason ?? 'taken';
  return { broker, handler, service, hub, clock, identity, gatewayId: identity.id, counted, reported };
}

function join(hub: Hub, num: number, change: FakeSessionOptions = {}): FakeSession {
  const joined = fakeSession(num, { capabilities: ['query', 'command'], ...change });
  hub.add(joined.session);
  return joined;
}

const NO_COMMANDS = { capabilities: ['query'] };
const ID = 'c01jd8xk3t0h5m2p7r9v4w6y8zb';
const report = (change: Partial<ReportBody> = {}): Uint8Array =>
  encodeBody('report', {
    id: ID,
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

/** The process stands still for longer than its lease, and notices it. */
function standStill(identity: GatewayIdentity, clock: FakeClock): void {
  identity.tick();
  clock.advance(16_000);
  identity.checkLease();
}

describe('presence', () => {
  it('names agents that arrive within a moment in one message, and none that takes no commands', async () => {
    const { handler, service, hub, clock, gatewayId } = await setUp();
    for (const num of [3, 1, 2]) handler.ready(join(hub, num).session);
    handler.ready(join(hub, 4, NO_COMMANDS).session);
    await turn();
    expect(service.arrivals).toEqual([{ gateway: gatewayId, nums: [1, 2, 3] }]);
    for (const num of [5, 6]) {
      handler.ready(join(hub, num).session);
      await turn();
    }
    clock.advance(5);
    await turn();
    expect(service.arrivals.slice(1)).toEqual([{ gateway: gatewayId, nums: [5, 6] }]);
    handler.stop();
  });

  it('names all agents at the first heartbeat of a service, and again when it was not heard for a while', async () => {
    const { handler, service, hub, clock, gatewayId } = await setUp();
    for (const num of [1, 2]) join(hub, num);
    join(hub, 3, NO_COMMANDS);
    const everybody = { gateway: gatewayId, nums: [1, 2] };
    for (let second = 0; second < 4; second += 1) {
      service.heartbeat();
      clock.advance(1_000);
      await turn();
    }
    expect(service.arrivals).toEqual([everybody]);
    clock.advance(3_000);
    service.heartbeat();
    await turn();
    expect(service.arrivals).toEqual([everybody, everybody]);
    handler.stop();
  });

  it('names all agents when the broker is back, and again at the first heartbeat after that', async () => {
    const { broker, handler, service, hub, clock, gatewayId } = await setUp();
    const { session } = join(hub, 1);
    service.heartbeat();
    await turn();
    broker.interrupt();
    handler.ready(session);
    clock.advance(10);
    await turn();
    service.arrivals.length = 0;
    broker.restore();
    clock.advance(10);
    await turn();
    expect(service.arrivals).toEqual([{ gateway: gatewayId, nums: [1] }]);
    service.heartbeat();
    clock.advance(10);
    await turn();
    expect(service.arrivals).toHaveLength(2);
    handler.stop();
  });

  it('names all agents again when its lease had lapsed', async () => {
    const { handler, service, hub, gatewayId } = await setUp();
    join(hub, 1);
    handler.lapsed();
    await turn();
    expect(service.arrivals).toEqual([{ gateway: gatewayId, nums: [1] }]);
    handler.stop();
  });

  it('listens to its new id after a fence', async () => {
    const { handler, service, hub, clock, identity, gatewayId } = await setUp();
    const { frames } = join(hub, 1);
    standStill(identity, clock);
    handler.fenced();
    service.deliver([agent(1)], gatewayId);
    clock.advance(10);
    await turn();
    expect(frames).toEqual([]);
    service.deliver([agent(1)], identity.id);
    await turn();
    expect(frames).toHaveLength(1);
    handler.stop();
  });
});

describe('delivery', () => {
  it('reaches each target with its own number, proof and row, in slices', async () => {
    const { handler, service, hub, gatewayId } = await setUp();
    const joined = Array.from({ length: 1_200 }, (_, i) => join(hub, i + 1));
    const id = service.deliver(
      joined.map((_, i) => agent(i + 1)),
      gatewayId,
    );
    await turn();
    joined.forEach(({ frames }, i) => {
      expect(frames.map(({ type }) => type)).toEqual([FRAME.command]);
      const body = decodeBody('command', frames[0]!.body);
      expect(body).toMatchObject({ ok: true, body: { id, number: i + 1, jws: 'j', keys: 'k', binding: null } });
    });
    handler.stop();
  });

  it('of what is no command does not reach an agent: it would report it for ever', async () => {
    const { handler, service, hub, gatewayId } = await setUp();
    const { frames, session } = join(hub, 1);
    for (const id of ['*.1', '', 'c1'] as CommandId[]) service.cancel(id, [session.agentId], gatewayId);
    await turn();
    expect(frames).toEqual([]);
    handler.stop();
  });

  it('reports an agent as missing whose connection turns out to be over, although its end was not reported yet', async () => {
    const { service, hub, gatewayId } = await setUp();
    join(hub, 1);
    join(hub, 2, { send: 'closed' });
    const id = service.deliver([1, 2].map(agent), gatewayId);
    await turn();
    expect(service.missing).toMatchObject([{ id, targets: [2] }]);
  });

  it('reports agents as missing that it does not hold, unless all gateways were asked; an agent of another org is not held', async () => {
    const { handler, service, hub, gatewayId } = await setUp();
    const { frames } = join(hub, 1);
    const stranger = join(hub, 2, { org: 'globex' as OrgId });
    const all = [1, 2, 3].map(agent);
    service.deliver(all);
    await turn();
    expect(service.missing).toEqual([]);
    const id = service.deliver(all, gatewayId);
    service.cancel(id, all, gatewayId);
    await turn();
    expect(service.missing).toMatchObject([
      { gateway: gatewayId, id, targets: [2, 3] },
      { gateway: gatewayId, id, targets: [2, 3] },
    ]);
    expect(frames.map(({ type }) => type)).toEqual([FRAME.command, FRAME.command, FRAME.commandCancel]);
    expect(stranger.frames).toEqual([]);
    handler.stop();
  });

  it('reports for an agent that takes no commands, so that nobody waits for it', async () => {
    const { handler, service, hub } = await setUp();
    const { frames } = join(hub, 1, NO_COMMANDS);
    const id = service.deliver([agent(1)]);
    await turn();
    expect(service.reports).toEqual([
      expect.objectContaining({ org: ORG, agentId: 'a1', num: 1, id, number: 1, state: 'unsupported' }),
    ]);
    expect(service.reports[0]?.code).toBe('no_commands');
    service.keep(service.reports);
    await turn();
    expect(frames).toEqual([]);
    handler.stop();
  });

  it('checks its lease before it believes a message', async () => {
    const { handler, service, identity, gatewayId } = await setUp();
    const looks = jest.spyOn(identity, 'checkLease');
    service.heartbeat();
    service.deliver([agent(1)]);
    service.deliver([agent(1)], gatewayId);
    await turn();
    expect(looks).toHaveBeenCalledTimes(3);
    handler.stop();
  });
});

describe('reports', () => {
  it('are passed on in the name of their session, and the agent gets an acknowledgement', async () => {
    const { handler, service, hub, gatewayId, reported } = await setUp();
    const { session, frames } = join(hub, 7);
    const effects = ['killed pid 5'];
    expect(reported(session, report({ state: 'running' }))).toBe('taken');
    expect(reported(session, report({ effects }))).toBe('taken');
    await turn();
    const known = { org: ORG, agentId: 'a7', num: 7, id: ID, number: 1, code: '', message: '', authentic: true };
    expect(service.reports).toEqual([
      { ...known, state: 'running' },
      { ...known, state: 'succeeded', effects },
    ]);
    service.keep(service.reports.slice(1), gatewayId);
    await turn();
    expect(frames.map(({ type }) => type)).toEqual([FRAME.reportKept]);
    expect(decodeBody('reportKept', frames[0]!.body)).toEqual({ ok: true, body: { id: ID, number: 1 } });
    handler.stop();
  });

  it('cannot claim to be another agent’s, and must fit', async () => {
    const { handler, service, hub, reported } = await setUp();
    const { session } = join(hub, 7);
    const claiming = { ...{ agentId: 'a8', num: 8, org: 'globex' }, state: 'failed' };
    expect(reported(session, report(claiming as Partial<ReportBody>))).toBe('taken');
    expect(reported(session, report({ state: 'queued' as never }))).toBe('protocolError');
    expect(reported(session, new Uint8Array([0xff]))).toBe('protocolError');
    await turn();
    expect(service.reports).toMatchObject([{ org: ORG, agentId: 'a7', num: 7 }]);
    handler.stop();
  });

  it.each(['*.1', '', 'a.b.>', 'c\0', 'c1', 'q01jd8xk3t0h5m2p7r9v4w6y8zb', `${ID}x`, ID.toUpperCase(), `${ID}\n`])(
    'about %j, which is no command, reach nobody and are counted',
    async (id) => {
      const { handler, service, hub, counted, reported } = await setUp();
      const { session } = join(hub, 7);
      expect(reported(session, report({ id }))).toBe('taken');
      expect(reported(session, report({ id, authentic: false, state: 'refused' }))).toBe('taken');
      await turn();
      expect(service.reports).toEqual([]);
      expect(await counted()).toMatch(/command_reports_total\{[^}]*result="bad_id"[^}]*\} 2\b/);
      handler.stop();
    },
  );

  it('wait while the broker is away, but not without bounds', async () => {
    const { broker, handler, service, hub, counted, reported } = await setUp();
    broker.interrupt();
    const agents = Array.from({ length: 600 }, (_, i) => join(hub, i + 1).session);
    for (const session of agents) for (let i = 0; i < 18; i += 1) reported(session, report({ number: i + 1 }));
    broker.restore();
    service.heartbeat();
    await turn();
    expect(service.reports).toHaveLength(10_000);
    expect(await counted()).toMatch(/command_reports_total\{[^}]*result="full"[^}]*\} 800\b/);
    handler.stop();
  });

  it('are ignored from a session that floods, while one whose reports are kept may send any number', async () => {
    const { handler, service, hub, clock, gatewayId, counted, reported } = await setUp();
    const [flooding, busy] = [join(hub, 1).session, join(hub, 2).session];
    // Above its rate it is not heard and may go on; far above it must go.
    const results = Array.from({ length: 201 }, () => reported(flooding, report()));
    expect(results.filter((result) => result === 'taken')).toHaveLength(200);
    expect(results.at(-1)).toBe('overloaded');
    await turn();
    expect(service.reports).toHaveLength(20);
    expect(await counted()).toMatch(/command_reports_total\{[^}]*result="rate"[^}]*\} 180\b/);
    for (let round = 0; round < 5; round += 1) {
      for (let i = 0; i < 15; i += 1) expect(reported(busy, report())).toBe('taken');
      clock.advance(10);
      await turn();
      service.keep(service.reportsOf(busy.agentId).slice(-15), gatewayId);
      await turn();
    }
    clock.advance(1_000);
    expect(reported(flooding, report())).toBe('taken');
    handler.stop();
  });

  it('are forgotten when the gateway is fenced: they must not be believed', async () => {
    const { handler, service, hub, clock, identity, reported } = await setUp();
    const { session } = join(hub, 1);
    reported(session, report());
    standStill(identity, clock);
    handler.fenced();
    clock.advance(10);
    await turn();
    expect(service.reports).toEqual([]);
    handler.stop();
  });
});

describe('the list of command keys', () => {
  it('is the newest one that was heard, whatever comes after it', async () => {
    const { handler, service, hub } = await setUp();
    const { session } = join(hub, 1);
    const given = () => handler.welcome(session)?.commandKeys;
    expect([given(), handler.welcome(join(hub, 2, NO_COMMANDS).session)]).toEqual([undefined, undefined]);
    for (const keys of [keyList(2), keyList(1), 'nonsense', '', keyList('9'), `x.${'A'.repeat(40_000)}.y`]) {
      service.heartbeat(keys);
    }
    await turn();
    expect(given()).toBe(keyList(2));
    service.heartbeat(keyList(3));
    await turn();
    expect(given()).toBe(keyList(3));
    handler.stop();
  });
});
