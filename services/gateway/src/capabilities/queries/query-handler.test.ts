import { describe, expect, it } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type CoordinatorHeartbeat,
  type GatewayUpdate,
  type QueryStart,
  type QueryStop,
} from '@muster/messages';
import {
  decodeBody,
  DEFAULT_BUDGET,
  encodeCbor,
  FLAG_FINAL,
  FRAME,
  LIMITS,
  newCoordinatorId,
  newQueryId,
  type OrgId,
} from '@muster/protocol';
import { decodeNumberSet, encodeNumberSet } from '@muster/records';
import type { Hub } from '../../sessions/hub/hub.js';
import type { SuccessorView } from '../../foundation/session-view.js';
import { capabilityContext, frameTo, turn } from '../../testing/capability-harness.js';
import { fakeSession, type FakeSession } from '../../testing/fake-session.js';
import { QueryHandler } from './query-handler.js';

const ROW = encodeCbor(['x']);

function setUp({ hasSuccessor }: Partial<SuccessorView> = {}) {
  const broker = new MemoryBroker();
  const { bus } = broker.connect();
  const coordinator = newCoordinatorId();
  const updates: GatewayUpdate[] = [];
  bus.subscribe(SUBJECTS.coordinatorInbox(coordinator), ({ data }) => {
    const update = decodeBusMessage<GatewayUpdate>(data, 'targeted', 'partial');
    if (update !== undefined) updates.push(update);
  });
  const context = capabilityContext(bus, hasSuccessor);
  const { hub, clock, metrics } = context;
  const handler = new QueryHandler({ ...context, creditBytes: 64 * 1024 * 1024, huntRate: 1_000 });
  handler.start();
  const query = (change: Partial<QueryStart> = {}): QueryStart => ({
    t: 'query_start',
    id: newQueryId(clock.now()),
    org: 'acme' as OrgId,
    owner: coordinator,
    sql: 'SELECT a FROM t',
    columns: ['a'],
    selector: '',
    mode: 'group',
    nowMs: 0,
    deadlineMs: 10_000,
    budget: DEFAULT_BUDGET,
    ...change,
  });
  const say = async (message: QueryStart | QueryStop | CoordinatorHeartbeat): Promise<void> => {
    const subject = message.t === 'owner_beat' ? SUBJECTS.coordinatorHeartbeats : SUBJECTS.gateways;
    bus.publish(subject, encodeBusMessage(message));
    await turn();
  };
  const beat = (start: QueryStart): CoordinatorHeartbeat => ({
    t: 'owner_beat',
    owner: start.owner,
    queries: [start],
    operators: [],
    stopping: false,
  });
  /** Answers the query that a session was asked last. */
  const answer = ({ session, frames }: FakeSession): void => {
    const ref = frames.findLast(({ type }) => type === FRAME.query)?.ref ?? 0;
    expect(frameTo(handler, session, { type: FRAME.rows, ref, flags: FLAG_FINAL, body: ROW })).toBeUndefined();
  };
  const active = async (): Promise<number> =>
    Number(/^muster_gateway_active_queries (\d+)/m.exec(await metrics.registry.metrics())?.[1]);
  return { broker, handler, hub, clock, updates, query, say, beat, answer, active };
}

function join(hub: Hub, num: number, capabilities = ['query']): FakeSession {
  const joined = fakeSession(num, { capabilities });
  hub.add(joined.session);
  return joined;
}

const answeredIn = (updates: readonly GatewayUpdate[]): number[] =>
  updates.flatMap((report) => (report.t === 'partial' ? decodeNumberSet(report.answered) : []));

describe('QueryHandler', () => {
  it('reports its targets before their answers, and numbers its updates', async () => {
    const { handler, hub, updates, query, say, answer } = setUp();
    const one = join(hub, 1);
    await say(query());
    answer(one);
    await turn();
    expect(updates.map(({ t, seq }) => [t, seq])).toEqual([
      ['targeted', 0],
      ['partial', 1],
    ]);
    expect(updates.at(-1)).toMatchObject({ settled: true });
    await handler.stop();
  });

  it('asks a question with parameters only of agents that say that they bind them, and the others refuse it', async () => {
    const { handler, hub, updates, query, say } = setUp();
    const [old, mute] = [join(hub, 1), join(hub, 2, [])];
    const able = join(hub, 3, ['query', 'parameters']);
    await say(query({ parameters: [{ name: 'port', type: 'integer', value: 22 }] }));
    await turn();
    expect([old, mute, able].map(({ frames }) => frames.length)).toEqual([0, 0, 1]);
    expect(decodeBody('query', able.frames[0]?.body ?? new Uint8Array())).toMatchObject({
      body: { parameters: [{ name: 'port', type: 'integer', value: 22 }] },
    });
    const failures = updates.flatMap((update) => (update.t === 'partial' ? update.failures : []));
    expect(failures.map(([num, outcome, code]) => [num, outcome, code])).toEqual([
      [2, 'refused', 'no_capability'],
      [1, 'refused', 'no_parameters'],
    ]);
    await handler.stop();
  });

  it('asks only the endpoints that stand for what a query requires of health, also of those that join later', async () => {
    const { handler, hub, updates, query, say } = setUp();
    const [one, two] = [join(hub, 1), join(hub, 2)];
    await say(query({ selector: 'health=critical', among: encodeNumberSet([1, 4]) }));
    await turn();
    const [three, four] = [join(hub, 3), join(hub, 4)];
    for (const { session } of [three, four]) handler.ready(session);
    await turn();
    const asked = [one, two, three, four].map(({ frames }) => frames.some(({ type }) => type === FRAME.query));
    expect(asked).toEqual([true, false, false, true]);
    const targets = updates.flatMap((update) => (update.t === 'targeted' ? decodeNumberSet(update.targets) : []));
    expect(targets).toEqual([1, 4]);
    // A gateway that knew nothing of `among` would find nobody: it has no such label.
    expect(hub.select('acme' as OrgId, [{ kind: 'in', key: 'health', values: ['critical'] }])).toEqual([]);
    await handler.stop();
  });

  it('asks an agent that came from another gateway a moment ago as one that joined, so that it cannot count twice', async () => {
    const { handler, hub, clock, updates, query, say } = setUp();
    const settled = join(hub, 1);
    const moved = join(hub, 2);
    moved.session.movedAtMs = clock.monotonic();
    await say(query());
    await turn();
    expect(updates).toHaveLength(1);
    const [report] = updates;
    if (report?.t !== 'targeted' || report.moved === undefined) throw new Error('not one report of both');
    expect([report.joined, decodeNumberSet(report.targets), decodeNumberSet(report.moved)]).toEqual([false, [1], [2]]);
    expect([settled.types, moved.types]).toEqual([[FRAME.query], [FRAME.query]]);
    await handler.stop();
  });

  it.each([
    ['a name of a column that is too long', { columns: ['a'.repeat(LIMITS.columnNameBytes + 1)] }],
    ['too many columns', { columns: Array<string>(LIMITS.resultColumns + 1).fill('a') }],
    ['columns that make no message of a poll', { columns: Array<string>(1_800).fill('a'.repeat(560)) }],
    ['a statement that is too long', { sql: 'x'.repeat(LIMITS.sqlBytes + 1) }],
    ['a budget that is no number', { budget: { ...DEFAULT_BUDGET, ms: 0.5 } }],
  ])('asks nobody what agents would not take: %s', async (_what, change) => {
    const { handler, hub, updates, query, say } = setUp();
    const one = join(hub, 1);
    const start = query(change);
    await say(start);
    const late = join(hub, 2);
    handler.ready(late.session);
    await turn();
    expect([one.types, late.types]).toEqual([[], []]);
    const failures = updates.flatMap((update) => (update.t === 'partial' ? update.failures : []));
    const why = ['error', 'bad_query', expect.stringMatching(/^no agent takes it: /)];
    expect(failures).toEqual([
      [1, ...why],
      [2, ...why],
    ]);
    await handler.stop();
  });

  it('reports its targets even when it has none: the coordinator waits for that', async () => {
    const { handler, updates, query, say } = setUp();
    await say(query());
    await turn();
    expect(updates[0]).toMatchObject({ t: 'targeted', seq: 0, joined: false });
    await handler.stop();
  });

  it('refuses at once for an agent that did not say that it answers queries', async () => {
    const { handler, hub, updates, query, say } = setUp();
    const mute = join(hub, 1, []);
    await say(query());
    await turn();
    const late = join(hub, 2, []);
    handler.ready(late.session);
    await turn();
    expect([mute.types, late.types]).toEqual([[], []]);
    expect(updates.map(({ t, seq }) => [t, seq])).toEqual([
      ['targeted', 0],
      ['partial', 1],
      ['targeted', 2],
      ['partial', 3],
    ]);
    const failures = updates.flatMap((report) => (report.t === 'partial' ? report.failures : []));
    expect(failures.map((failure) => failure.slice(0, 3))).toEqual([
      [1, 'refused', 'no_capability'],
      [2, 'refused', 'no_capability'],
    ]);
    expect(updates.at(-1)).toMatchObject({ settled: true });
    await handler.stop();
  });

  it('holds answers while the broker is away, and sends them when it is back', async () => {
    const { broker, handler, hub, clock, updates, query, say, answer } = setUp();
    const agents = [join(hub, 1), join(hub, 2)];
    await say(query());
    await turn();
    broker.interrupt();
    for (const agent of agents) answer(agent);
    await turn();
    clock.advance(2_000);
    await turn();
    expect(answeredIn(updates)).toEqual([]);
    broker.restore();
    clock.advance(1_000);
    await turn();
    expect(answeredIn(updates)).toEqual([1, 2]);
    await handler.stop();
  });

  it('does not start an ended query again when a late heartbeat still names it', async () => {
    const { handler, hub, updates, query, say, beat, active } = setUp();
    const asked = join(hub, 1);
    const start = query();
    await say(start);
    await say({ t: 'query_stop', id: start.id, reason: 'complete' });
    await say(beat(start));
    await turn();
    expect(asked.types).toEqual([FRAME.query, FRAME.cancel]);
    expect(updates).toHaveLength(1);
    expect(await active()).toBe(0);
    await handler.stop();
  });

  it('gives up a query whose coordinator is silent, and cancels it for agents that still work on it', async () => {
    const { handler, hub, clock, query, say, active } = setUp();
    const asked = join(hub, 1);
    await say(query({ deadlineMs: 60_000 }));
    clock.advance(16_000);
    expect([await active(), asked.types]).toEqual([0, [FRAME.query, FRAME.cancel]]);
    await handler.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it('goes on with a query that it gave up, when its coordinator is heard again: updates are numbered on', async () => {
    const { handler, hub, clock, updates, query, say, beat, answer, active } = setUp();
    const one = join(hub, 1);
    const start = query({ deadlineMs: 60_000 });
    await say(start);
    clock.advance(16_000);
    await turn();
    const sent = updates.length;
    await say(beat(start));
    await turn();
    expect(await active()).toBe(1);
    expect(one.types).toEqual([FRAME.query, FRAME.cancel, FRAME.query]);
    expect(updates.slice(sent)).toMatchObject([{ t: 'targeted', joined: true, seq: sent }]);
    answer(one);
    await turn();
    expect(updates.at(-1)).toMatchObject({ t: 'partial', settled: true, seq: sent + 1 });
    await handler.stop();
  });

  it('asks the sessions that return after a fence, and numbers updates from 0 under its new id', async () => {
    const { handler, hub, updates, query, say, beat, answer } = setUp();
    const one = join(hub, 1);
    const start = query({ deadlineMs: 60_000 });
    await say(start);
    handler.fenced();
    hub.remove(one.session);
    updates.length = 0;
    await say(beat(start));
    const back = join(hub, 1);
    handler.ready(back.session);
    answer(back);
    await turn();
    expect(updates.map(({ t, seq }) => [t, seq])).toEqual([
      ['targeted', 0],
      ['targeted', 1],
      ['partial', 2],
    ]);
    await handler.stop();
  });

  it('does not start a query again whose deadline has passed', async () => {
    const { handler, hub, clock, query, say, beat, active } = setUp();
    const asked = join(hub, 1);
    const start = query();
    await say(start);
    for (let s = 0; s < 16; s += 1) {
      clock.advance(1_000);
      if (s < 10) await say(beat(start));
    }
    expect(await active()).toBe(0);
    await say(beat(start));
    expect([await active(), asked.types]).toEqual([0, [FRAME.query, FRAME.cancel]]);
    await handler.stop();
  });

  it('sends nothing after it was fenced', async () => {
    const { handler, hub, clock, updates, query, say, answer } = setUp();
    const one = join(hub, 1);
    await say(query());
    await turn();
    answer(one);
    handler.fenced();
    await turn();
    clock.advance(20_000);
    await turn();
    expect(updates).toHaveLength(1);
    await handler.stop();
  });

  it('ends a session that sends a malformed QUERY_END', async () => {
    const { handler, hub, query, say } = setUp();
    const one = join(hub, 1);
    await say(query());
    const frame = { type: FRAME.queryEnd, ref: one.frames[0]?.ref ?? 0, body: new Uint8Array([0xff]) };
    expect(frameTo(handler, one.session, frame)).toEqual({ reason: 'protocolError', detail: 'malformed query end' });
    expect(frameTo(handler, one.session, { ...frame, ref: 99 })).toBeUndefined();
    await handler.stop();
  });
});

describe('a session that ends while it is asked', () => {
  const failures = (updates: readonly GatewayUpdate[]) =>
    updates.flatMap((update) => (update.t === 'partial' ? update.failures : [])).map(([num, , code]) => [num, code]);

  async function leaves(hasSuccessor: SuccessorView['hasSuccessor']) {
    const parts = setUp({ hasSuccessor });
    const { session } = join(parts.hub, 1);
    await parts.say(parts.query());
    session.state = 'closed';
    parts.hub.remove(session);
    parts.handler.closed(session);
    return { ...parts, session };
  }

  it.each([
    ['is handed over when its agent has a newer one elsewhere', true, 'moved'],
    ['is handed over when nobody knows', undefined, 'moved'],
    ['is disconnected when its agent has none', false, 'disconnected'],
  ] as const)('%s', async (_name, hasSuccessor, code) => {
    const { handler, updates } = await leaves(async () => hasSuccessor);
    await turn();
    expect(failures(updates)).toEqual([[1, code]]);
    await handler.stop();
  });

  it('is disconnected when a newer one is here, and the query does not select that one', async () => {
    const { handler, hub, say, query, updates } = setUp({ hasSuccessor: async () => true });
    const older = join(hub, 1);
    await say(query({ selector: 'mode=live' }));
    const newer = fakeSession(1, { mode: 'poll' });
    hub.add(newer.session);
    handler.ready(newer.session);
    handler.closed(older.session);
    await turn();
    expect(failures(updates)).toEqual([[1, 'disconnected']]);
    await handler.stop();
  });

  it('has its word before the gateway stops', async () => {
    let know = (_moved: boolean): void => undefined;
    const { handler, updates } = await leaves(() => new Promise((resolve) => (know = resolve)));
    const stopped = handler.stop();
    await turn();
    expect(failures(updates)).toEqual([]);
    know(true);
    await stopped;
    await turn();
    expect(failures(updates)).toEqual([[1, 'moved']]);
  });

  it('answers for nothing when its agent is back here before it is known where it went', async () => {
    let know = (_moved: boolean): void => undefined;
    const { handler, hub, updates, answer } = await leaves(() => new Promise((resolve) => (know = resolve)));
    const back = join(hub, 1);
    handler.ready(back.session);
    know(false);
    await turn();
    expect(failures(updates)).toEqual([]);
    answer(back);
    await turn();
    expect(updates.at(-1)).toMatchObject({ t: 'partial', settled: true });
    await handler.stop();
  });
});
