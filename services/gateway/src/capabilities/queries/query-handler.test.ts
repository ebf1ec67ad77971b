import { describe, expect, it } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import { decodeBusMessage, SUBJECTS, type GatewayUpdate, type QueryStart } from '@muster/messages';
import {
  decodeHeader,
  DEFAULT_BUDGET,
  encodeCbor,
  FRAME,
  newCoordinatorId,
  newQueryId,
  type AgentId,
  type GatewayId,
  type OrgId,
} from '@muster/protocol';
import { decodeNumberSet } from '@muster/records';
import { createMetrics, silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { Hub } from '../../sessions/hub/hub.js';
import { makeProfile } from '../../foundation/profile.js';
import { Session } from '../../sessions/hub/session.js';
import type { Connection } from '../../edge/transport/transport.js';
import { QueryHandler } from './query-handler.js';
import { createQueryMetrics } from './query-metrics.js';

const ORG = 'acme' as OrgId;
const ROW = encodeCbor(['x']);

function setUp() {
  const broker = new MemoryBroker();
  const { bus } = broker.connect();
  const owner = newCoordinatorId();
  const reports: GatewayUpdate[] = [];
  bus.subscribe(SUBJECTS.coordinatorInbox(owner), ({ data }) => {
    const report = decodeBusMessage<GatewayUpdate>(data, 'targeted', 'partial');
    if (report !== undefined) reports.push(report);
  });
  const hub = new Hub();
  const clock = new FakeClock();
  const desk = new QueryHandler({
    bus,
    hub,
    clock,
    logger: silentLogger,
    metrics: createQueryMetrics(createMetrics('gateway'), () => 0),
    gatewayId: () => 'gw-test' as GatewayId,
    creditBytes: 64 * 1024 * 1024,
  });
  desk.start();
  const start = (change: Partial<QueryStart> = {}): QueryStart => ({
    t: 'query_start',
    id: newQueryId(clock.now()),
    org: ORG,
    owner,
    sql: 'SELECT a FROM t',
    columns: ['a'],
    selector: '',
    mode: 'group',
    nowMs: 0,
    deadlineMs: 10_000,
    budget: DEFAULT_BUDGET,
    ...change,
  });
  /** Lets everything run that is due at the end of this turn of the event loop. */
  const turn = async (): Promise<void> => {
    for (let i = 0; i < 3; i += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  return { broker, desk, hub, clock, reports, start, turn };
}

function join(hub: Hub, num: number, canQuery = true): { session: Session; refs: number[]; types: number[] } {
  const refs: number[] = [];
  const types: number[] = [];
  const connection: Connection = {
    address: '127.0.0.1',
    send: (frame) => {
      const header = decodeHeader(frame);
      types.push(header?.type ?? 0);
      if (header?.type === FRAME.query) refs.push(header.ref);
      return 'sent';
    },
    close: () => undefined,
    ping: () => undefined,
    cork: (run) => run(),
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
  const session = new Session({ org: ORG, agentId: `a${num}` as AgentId, num, mode: 'live', challenge }, connection, 0);
  session.profile = makeProfile(
    { os: 'linux', arch: 'x64', agentVersion: '1', mode: 'live', canQuery, canCommand: false, canChangeMode: false },
    {},
    {},
  );
  session.state = 'ready';
  hub.add(session);
  return { session, refs, types };
}

const answeredIn = (reports: readonly GatewayUpdate[]): number[] =>
  reports.flatMap((report) => (report.t === 'partial' ? decodeNumberSet(report.answered) : []));

describe('QueryDesk', () => {
  it('says whom it asks before it says what they answered, and numbers its reports', async () => {
    const { desk, hub, reports, start, turn } = setUp();
    const one = join(hub, 1);
    desk.queryStarted(start(), false);
    desk.rows(one.session, one.refs[0] ?? 0, { body: ROW, final: true });
    await turn();
    expect(reports.map(({ t, seq }) => [t, seq])).toEqual([
      ['targeted', 0],
      ['partial', 1],
    ]);
    expect(reports.at(-1)).toMatchObject({ settled: true });
    desk.stop();
  });

  it('asks an agent that came from another gateway a moment ago as one that joined, so that it cannot count twice', async () => {
    const { desk, hub, clock, reports, start, turn } = setUp();
    const settled = join(hub, 1);
    const moved = join(hub, 2);
    moved.session.movedAtMs = clock.monotonic();
    desk.queryStarted(start(), false);
    await turn();
    expect(reports).toHaveLength(1);
    const [report] = reports;
    if (report?.t !== 'targeted' || report.moved === undefined) throw new Error('not one report of both');
    expect([report.joined, decodeNumberSet(report.targets), decodeNumberSet(report.moved)]).toEqual([false, [1], [2]]);
    expect([settled.types, moved.types]).toEqual([[FRAME.query], [FRAME.query]]);
    desk.stop();
  });

  it('reports even when it has nobody to ask: the owner waits for it', async () => {
    const { desk, reports, start, turn } = setUp();
    desk.queryStarted(start(), false);
    await turn();
    expect(reports[0]).toMatchObject({ t: 'targeted', seq: 0, joined: false });
    desk.stop();
  });

  it('does not ask an agent that did not say that it answers queries, and says so at once', async () => {
    const { desk, hub, reports, start, turn } = setUp();
    const mute = join(hub, 1, false);
    desk.queryStarted(start(), false);
    await turn();
    const late = join(hub, 2, false);
    desk.sessionReady(late.session);
    await turn();
    expect([mute.types, late.types]).toEqual([[], []]);
    expect(reports.map(({ t, seq }) => [t, seq])).toEqual([
      ['targeted', 0],
      ['partial', 1],
      ['targeted', 2],
      ['partial', 3],
    ]);
    const failures = reports.flatMap((report) => (report.t === 'partial' ? report.failures : []));
    expect(failures.map((failure) => failure.slice(0, 3))).toEqual([
      [1, 'refused', 'no_capability'],
      [2, 'refused', 'no_capability'],
    ]);
    expect(reports.at(-1)).toMatchObject({ settled: true });
    desk.stop();
  });

  it('holds what was gathered while the broker is away, and reports it when it is back', async () => {
    const { broker, desk, hub, clock, reports, start, turn } = setUp();
    const agents = [join(hub, 1), join(hub, 2)];
    desk.queryStarted(start(), false);
    await turn();
    broker.interrupt();
    for (const { session, refs } of agents) desk.rows(session, refs[0] ?? 0, { body: ROW, final: true });
    await turn();
    clock.advance(2_000);
    await turn();
    expect(answeredIn(reports)).toEqual([]);
    broker.restore();
    clock.advance(1_000);
    await turn();
    expect(answeredIn(reports)).toEqual([1, 2]);
    desk.stop();
  });

  it('does not start an ended query again when a beat that was on its way still names it', async () => {
    const { desk, hub, reports, start, turn } = setUp();
    const { types } = join(hub, 1);
    const query = start();
    desk.queryStarted(query, false);
    desk.queryStopped({ t: 'query_stop', id: query.id, reason: 'complete' });
    desk.coordinatorHeartbeat({
      t: 'owner_beat',
      owner: query.owner,
      queries: [query],
      operators: [],
      stopping: false,
    });
    await turn();
    expect(types).toEqual([FRAME.query, FRAME.cancel]);
    expect(reports).toHaveLength(1);
    expect(desk.active).toBe(0);
    desk.stop();
  });

  it('forgets a query whose owner is not heard any more, and tells those who still work on it', () => {
    const { desk, hub, clock, start } = setUp();
    const { types } = join(hub, 1);
    desk.queryStarted(start({ deadlineMs: 60_000 }), false);
    clock.advance(16_000);
    expect([desk.active, types]).toEqual([0, [FRAME.query, FRAME.cancel]]);
    desk.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it('reports nothing after it was fenced', async () => {
    const { desk, hub, clock, reports, start, turn } = setUp();
    const one = join(hub, 1);
    desk.queryStarted(start(), false);
    await turn();
    desk.rows(one.session, one.refs[0] ?? 0, { body: ROW, final: true });
    desk.fence();
    await turn();
    clock.advance(20_000);
    await turn();
    expect(reports).toHaveLength(1);
    desk.stop();
  });
});
