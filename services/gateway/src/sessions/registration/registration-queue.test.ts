import { afterEach, describe, expect, it } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import { decodeBusMessage, encodeBusMessage, SUBJECTS, type GatewayReply, type GatewayRequest } from '@muster/messages';
import type { AgentId, GatewayId } from '@muster/protocol';
import type { RegistrationItem, RegistrationResult, Registry, ResyncItem, ResyncResult } from '@muster/registry';
import { capabilityContext, turn } from '../../testing/capability-harness.js';
import { fakeSession } from '../../testing/fake-session.js';
import { GatewayInbox } from '../../foundation/gateway-inbox.js';
import type { Session } from '../hub/session.js';
import type { DuplicateIdentityReporter } from './duplicate-identity-reporter.js';
import { RegistrationQueue } from './registration-queue.js';

const ELSEWHERE = 'gw-elsewhere' as GatewayId;

/** A registry that answers what a test wants, and notes what it was asked. */
class ScriptedRegistry {
  result: (item: RegistrationItem) => RegistrationResult = ({ num }) => ({ kind: 'registered', epoch: 100 + num });
  resyncResult: (item: ResyncItem) => ResyncResult = () => ({ kind: 'kept' });
  /** Of how many items each call was. */
  readonly registered: RegistrationItem[][] = [];
  readonly unregistered: { readonly agentId: string; readonly epoch: number }[][] = [];
  readonly resynced: ResyncItem[][] = [];
  /** Resolves the calls that are held back. */
  release: (() => void) | undefined;
  holdsBack = false;

  async register(_gateway: string, items: readonly RegistrationItem[]) {
    this.registered.push([...items]);
    if (this.holdsBack) await new Promise<void>((resolve) => (this.release = resolve));
    return items.map((item) => this.result(item));
  }
  unregister(items: readonly { readonly agentId: string; readonly epoch: number }[]) {
    this.unregistered.push([...items]);
    return Promise.resolve({ kind: 'unregistered', count: items.length });
  }
  resync(_gateway: string, items: readonly ResyncItem[]) {
    this.resynced.push([...items]);
    return Promise.resolve(items.map((item) => this.resyncResult(item)));
  }
}

let close = (): void => undefined;
afterEach(() => close());

function setUp() {
  const broker = new MemoryBroker();
  const { bus } = broker.connect();
  const context = capabilityContext(bus);
  const { identity, hub } = context;
  const registry = new ScriptedRegistry();
  const inbox = new GatewayInbox({ ...context });
  const queue = new RegistrationQueue({
    ...{ ...context, inbox },
    registry: registry as unknown as Registry,
    duplicates: { report: (_session, { reason }) => `refused: ${reason}` } as DuplicateIdentityReporter,
  });
  const events: string[] = [];
  queue.listen({
    registered: (session) => {
      events.push(`registered ${session.num} as ${session.epoch}`);
      hub.add(session);
    },
    duplicate: ({ num }, reason) => void events.push(`duplicate ${num}: ${reason}`),
    superseded: ({ num }) => void events.push(`superseded ${num}`),
    displaced: ({ num }) => void events.push(`displaced ${num}`),
  });
  const told: unknown[] = [];
  bus.subscribe(SUBJECTS.gateway(ELSEWHERE), ({ data }) => {
    const { t, ...rest } = decodeBusMessage<Extract<GatewayRequest, { t: 'superseded' }>>(data, 'superseded') ?? {};
    told.push([t, rest]);
  });
  inbox.start();
  close = () => inbox.stop();
  const opened = (num: number): Session => {
    const { session } = fakeSession(num);
    session.state = 'registering';
    return session;
  };
  /** Ready and registered. */
  const held = async (...nums: number[]): Promise<Session[]> => {
    const sessions = nums.map((num) => opened(num));
    for (const session of sessions) queue.register(session);
    await turn();
    for (const session of sessions) session.state = 'ready';
    events.length = 0;
    return sessions;
  };
  const ask = async (request: GatewayRequest): Promise<GatewayReply | undefined> => {
    const reply = await bus.request(SUBJECTS.gateway(identity.id), encodeBusMessage(request), { timeoutMs: 5_000 });
    return reply.kind === 'reply' ? decodeBusMessage<GatewayReply>(reply.data, 'ok', 'holds', 'fault') : undefined;
  };
  return { ...context, registry, queue, events, told, opened, held, ask };
}

describe('registrations', () => {
  it('of one turn are one call, with what the registry must know of each', async () => {
    const { registry, queue, events, clock, opened } = setUp();
    const [one, two] = [opened(1), opened(2)];
    two.replaces = 77;
    two.instance = 'ab';
    for (const session of [one, two]) queue.register(session);
    expect(registry.registered).toEqual([]);
    await turn();
    const epochHint = clock.now();
    expect(registry.registered).toEqual([
      [
        { ...{ org: 'acme', agentId: 'a1', num: 1, instance: '', mode: 'live' }, epochHint, connectedAtMs: 0 },
        {
          ...{ org: 'acme', agentId: 'a2', num: 2, instance: 'ab', mode: 'live' },
          epochHint,
          connectedAtMs: 0,
          replaces: 77,
        },
      ],
    ]);
    expect(events).toEqual(['registered 1 as 101', 'registered 2 as 102']);
    expect([one.confirmed, one.movedAtMs]).toEqual([true, Number.NEGATIVE_INFINITY]);
    queue.register(opened(3));
    await turn();
    expect(registry.registered[1]).toHaveLength(1);
  });

  it('are made in batches of 500, and so are ends', async () => {
    const { registry, queue, opened } = setUp();
    const sessions = Array.from({ length: 1_001 }, (_, i) => opened(i + 1));
    for (const session of sessions) queue.register(session);
    await turn();
    expect(registry.registered.map((call) => call.length)).toEqual([500, 500, 1]);
    expect(new Set(registry.registered.flat().map(({ num }) => num)).size).toBe(1_001);
    for (const session of sessions) queue.unregister(session);
    await turn();
    expect(registry.unregistered.map((call) => call.length)).toEqual([500, 500, 1]);
    expect(registry.unregistered[2]).toEqual([{ agentId: 'a1001', epoch: 1_101 }]);
  });

  it('of an agent that was on another gateway tell that one, and remember the move', async () => {
    const { registry, queue, told, clock, identity, opened } = setUp();
    const previous = (num: number) => ({ gatewayId: num === 1 ? ELSEWHERE : identity.id, epoch: 3 });
    registry.result = ({ num }) => ({ kind: 'registered', epoch: 9, previous: previous(num) });
    clock.advance(5_000);
    const [one, two] = [opened(1), opened(2)];
    for (const session of [one, two]) queue.register(session);
    await turn();
    expect(told).toEqual([['superseded', { agentId: 'a1', epoch: 9 }]]);
    expect([one.movedAtMs, two.movedAtMs]).toEqual([5_000, Number.NEGATIVE_INFINITY]);
  });

  it('of another machine with the same identity are refused with the reason', async () => {
    const { registry, queue, events, opened } = setUp();
    const holder = { gatewayId: ELSEWHERE, epoch: 3, instance: 'x' };
    registry.result = () => ({ kind: 'duplicate', reason: 'flapping', holder });
    queue.register(opened(1));
    await turn();
    expect(events).toEqual(['duplicate 1: refused: flapping']);
  });

  it('hold without the registry, with the clock as epoch, and are made good later', async () => {
    const { registry, queue, events, clock, opened } = setUp();
    registry.result = () => ({ kind: 'unavailable', cause: new Error('away') });
    clock.advance(5_000);
    const session = opened(1);
    queue.register(session);
    await turn();
    expect([events, session.confirmed, session.movedAtMs]).toEqual([[`registered 1 as ${clock.now()}`], false, 5_000]);
    session.state = 'ready';
    await queue.resync();
    expect([registry.resynced.length, session.confirmed]).toEqual([1, true]);
  });

  it.each([
    [{ kind: 'registered', epoch: 9 }, 1],
    [{ kind: 'duplicate', reason: 'instance', holder: { gatewayId: ELSEWHERE, epoch: 3, instance: 'x' } }, 0],
    [{ kind: 'unavailable', cause: new Error('away') }, 0],
  ] as [RegistrationResult, number][])(
    'of a session that ended meanwhile are taken back, and nobody hears of them: %j',
    async (result, ends) => {
      const { registry, queue, events, opened } = setUp();
      registry.result = () => result;
      registry.holdsBack = true;
      const session = opened(1);
      queue.register(session);
      await turn();
      session.state = 'closed';
      registry.release?.();
      await turn();
      expect([events, registry.unregistered]).toEqual([[], ends === 1 ? [[{ agentId: 'a1', epoch: 9 }]] : []]);
      await queue.resync();
      expect(registry.resynced).toEqual([]);
    },
  );

  it('that take effect after the session has ended do not leave the one that its agent has since out of the registry', async () => {
    const { registry, queue, events, told, identity, held, opened, ask } = setUp();
    const [here] = await held(1);
    registry.holdsBack = true;
    for (const previous of [ELSEWHERE, identity.id]) {
      registry.result = () => ({ kind: 'registered', epoch: 109, previous: { gatewayId: previous, epoch: 101 } });
      const late = opened(1);
      queue.register(late);
      await turn();
      late.state = 'closed';
      registry.release?.();
      await turn();
    }
    expect(told).toEqual([['superseded', { agentId: 'a1', epoch: 109, isOver: true }]]);
    expect([events, here?.epoch]).toEqual([['displaced 1'], 101]);
    await ask({ t: 'superseded', agentId: 'a1' as AgentId, epoch: 101, isOver: true });
    await ask({ t: 'superseded', agentId: 'a1' as AgentId, epoch: 102, isOver: true });
    expect(events).toEqual(['displaced 1', 'displaced 1']);
  });

  it('of which another gateway says meanwhile that they are superseded begin again', async () => {
    const { registry, queue, events, told, opened, ask } = setUp();
    registry.holdsBack = true;
    registry.result = ({ num }) => ({
      ...{ kind: 'registered', epoch: 100 + num },
      ...(num === 2 ? { previous: { gatewayId: ELSEWHERE, epoch: 5 } } : {}),
    });
    for (const num of [1, 2]) {
      queue.register(opened(num));
      await turn();
      // The registry gives agent 1 the epoch 101, and agent 2 the epoch 102.
      await ask({ t: 'superseded', agentId: `a${num}` as AgentId, epoch: num === 1 ? 101 : 103 });
      registry.release?.();
      await turn();
    }
    expect(events).toEqual(['registered 1 as 101', 'displaced 2']);
    // What it took over from is not in the registry either.
    expect(told).toEqual([['superseded', { agentId: 'a2', epoch: 102, isOver: true }]]);
  });

  it('that are under way are waited for at the stop, and what is queued is still sent', async () => {
    const { registry, queue, opened } = setUp();
    registry.holdsBack = true;
    queue.register(opened(1));
    await turn();
    queue.unregister(opened(2));
    let isStopped = false;
    const stopping = queue.stop().then(() => (isStopped = true));
    await turn();
    expect([registry.unregistered.length, isStopped]).toEqual([1, false]);
    registry.release?.();
    await stopping;
  });
});

describe('other gateways', () => {
  it('end a session by a newer epoch only', async () => {
    const { events, held, ask } = setUp();
    await held(1);
    const agentId = 'a1' as AgentId;
    for (const epoch of [100, 101]) expect(await ask({ t: 'superseded', agentId, epoch })).toEqual({ t: 'ok' });
    expect(events).toEqual([]);
    expect(await ask({ t: 'superseded', agentId: 'a9' as AgentId, epoch: 102 })).toEqual({ t: 'ok' });
    expect(events).toEqual([]);
    await ask({ t: 'superseded', agentId, epoch: 102 });
    expect(events).toEqual(['superseded 1']);
  });

  it('learn whether a session is held here', async () => {
    const { held, ask } = setUp();
    await held(1);
    const holds = (agentId: string, epoch: number) => ask({ t: 'holds', agentId: agentId as AgentId, epoch });
    expect(await holds('a1', 101)).toEqual({ t: 'holds', alive: true });
    expect(await holds('a1', 102)).toEqual({ t: 'holds', alive: false });
    expect(await holds('a2', 101)).toEqual({ t: 'holds', alive: false });
  });
});

describe('registering everything again', () => {
  it('is done when it is due, once', async () => {
    const { registry, queue, held } = setUp();
    await held(1, 2);
    await queue.resync();
    expect(registry.resynced).toEqual([]);
    queue.requestResync();
    await queue.resync();
    await queue.resync();
    expect(registry.resynced).toHaveLength(1);
    expect(registry.resynced[0]?.[1]).toEqual({
      ...{ org: 'acme', agentId: 'a2', num: 2, instance: '', mode: 'live', connectedAtMs: 0, epoch: 102 },
    });
  });

  it('ends the sessions of which newer ones exist elsewhere, and confirms the others', async () => {
    const { registry, queue, events, held } = setUp();
    const sessions = await held(1, 2);
    for (const session of sessions) session.confirmed = false;
    registry.resyncResult = ({ num }) => (num === 1 ? { kind: 'lost' } : { kind: 'kept' });
    queue.requestResync();
    await queue.resync();
    expect([events, sessions.map(({ confirmed }) => confirmed)]).toEqual([['superseded 1'], [false, true]]);
    await queue.resync();
    expect(registry.resynced).toHaveLength(1);
  });

  it('is done again when the registry went away meanwhile', async () => {
    const { registry, queue, events, held } = setUp();
    const [session] = await held(1);
    session!.confirmed = false;
    registry.resyncResult = () => ({ kind: 'unavailable', cause: new Error('away') });
    queue.requestResync();
    await queue.resync();
    expect([events, session?.confirmed]).toEqual([[], false]);
    registry.resyncResult = () => ({ kind: 'kept' });
    await queue.resync();
    expect([registry.resynced.length, session?.confirmed]).toEqual([2, true]);
    await queue.resync();
    expect(registry.resynced).toHaveLength(2);
  });

  it('is done in batches of 1,000, and leaves out what has ended', async () => {
    const { registry, queue, held } = setUp();
    const sessions = await held(...Array.from({ length: 2_001 }, (_, i) => i + 1));
    sessions[0]!.state = 'closed';
    queue.requestResync();
    await queue.resync();
    expect(registry.resynced.map((call) => call.length)).toEqual([999, 1_000, 1]);
  });
});
