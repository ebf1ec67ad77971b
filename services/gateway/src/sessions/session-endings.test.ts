import { describe, expect, it } from '@jest/globals';
import {
  CLOSE,
  decodeBody,
  encodeBody,
  encodeFrame,
  FRAME,
  LIMITS,
  type OrgId,
  type SessionMode,
} from '@muster/protocol';
import { turn } from '../testing/capability-harness.js';
import { fakeSession, type FakeSession } from '../testing/fake-session.js';
import { HELLO, lastOf, sessionManagerHarness } from '../testing/session-manager-harness.js';
import type { Session } from './hub/session.js';

const MODES = ['live', 'poll'] as const satisfies SessionMode[];
type Harness = ReturnType<typeof sessionManagerHarness>;

/** The session that the manager made for a connection. */
const sessionOf = ({ table }: Harness, { session }: FakeSession): Session | undefined => table.get(session.connection);

/** The last line of a metric with these labels. */
/** The last series of a metric that is not 0: those that alerts select begin at 0. */
async function metric({ metrics }: Harness, name: string): Promise<string | undefined> {
  const lines = (await metrics.registry.metrics()).split('\n');
  return lines.findLast((line) => line.startsWith(name) && !line.endsWith(' 0'));
}

describe.each(MODES)('a connection over %s', (mode) => {
  it('is challenged with its own nonce and the time', () => {
    const harness = sessionManagerHarness();
    const fake = harness.open(1, mode);
    expect(decodeBody('challenge', fake.frames[0]!.body)).toEqual({
      ok: true,
      body: { nonce: fake.session.challenge?.nonce, serverTimeMs: harness.clock.now() },
    });
    expect(sessionOf(harness, fake)).toMatchObject({ state: 'challenged', connectedAtMs: harness.clock.now(), mode });
  });

  it.each([
    ['text', Buffer.from('hello'), false, 'unsupportedData'],
    ['no frame', Buffer.from('hello'), true, 'protocolError'],
    ['nothing', Buffer.alloc(0), true, 'protocolError'],
    ['a frame of a capability', encodeFrame(FRAME.report, 0, new Uint8Array()), true, 'protocolError'],
    ['a hello with a handle', encodeFrame(FRAME.hello, 1, encodeBody('hello', HELLO)), true, 'protocolError'],
    ['a hello that does not fit', encodeFrame(FRAME.hello, 0, encodeBody('error', {} as never)), true, 'helloInvalid'],
    ['too much', new Uint8Array(LIMITS.helloBytes + 1), true, 'helloTooBig'],
  ] as const)('that sends %s instead of its hello is closed for it', async (_what, bytes, isBinary, reason) => {
    const harness = sessionManagerHarness();
    const fake = harness.open(1, mode);
    harness.manager.received(fake.session.connection, bytes, isBinary);
    await turn();
    expect([lastOf(fake), fake.closes]).toMatchObject([{ body: { code: reason } }, [CLOSE[reason].code]]);
    expect([harness.table.size, harness.registered, harness.ended, harness.noting.events]).toEqual([0, [], [], []]);
    expect(await metric(harness, 'muster_gateway_closed_connections_total')).toContain(`code="${CLOSE[reason].code}"`);
  });

  it('that sends too much in pieces is closed at the first byte beyond', () => {
    const harness = sessionManagerHarness();
    const fake = harness.open(1, mode);
    const pending = sessionOf(harness, fake);
    if (pending?.challenge === undefined) throw new Error('no challenge');
    pending.challenge.bytes = LIMITS.helloBytes - 9;
    harness.send(fake, FRAME.hello, new Uint8Array(1));
    expect(lastOf(fake)).toMatchObject({ body: { code: 'helloInvalid' } });
    const other = harness.open(2, mode);
    const late = sessionOf(harness, other);
    if (late?.challenge === undefined) throw new Error('no challenge');
    late.challenge.bytes = LIMITS.helloBytes - 8;
    harness.send(other, FRAME.hello, new Uint8Array(1));
    expect(lastOf(other)).toMatchObject({ body: { code: 'helloTooBig' } });
  });

  it('is between its hello and WELCOME while the registry is asked', async () => {
    const harness = sessionManagerHarness();
    harness.registrations.register = (session) => void harness.registered.push(session);
    const fake = harness.open(1, mode);
    const { connection } = fake.session;
    expect(harness.manager.isOpening(connection)).toBe(false);
    harness.send(fake, FRAME.hello, encodeBody('hello', HELLO));
    expect([harness.manager.isOpening(connection), harness.table.pending.of(fake.session.agentId)]).toEqual([true, []]);
    expect([...harness.table.pending.overdue(Number.MAX_SAFE_INTEGER)]).toEqual([]);
    await turn();
    const session = harness.registered[0]!;
    expect(session).toMatchObject({ state: 'registering', challenge: undefined });
    expect(session.moveAtMs).toBeGreaterThanOrEqual(2_700_000);
    expect(session.moveAtMs).toBeLessThanOrEqual(3_600_000);
    harness.send(fake, FRAME.hello, encodeBody('hello', HELLO));
    expect(lastOf(fake)).toMatchObject({ body: { code: 'protocolError' } });
    expect(harness.manager.isOpening(connection)).toBe(false);
  });

  it('that ends while its token is made is not registered', async () => {
    const harness = sessionManagerHarness();
    const fake = harness.open(1, mode);
    harness.send(fake, FRAME.hello, encodeBody('hello', HELLO));
    harness.manager.closed(fake.session.connection, 1006);
    await turn();
    expect([harness.registered, harness.ended]).toEqual([[], []]);
  });

  it('is closed with 1011 when its token cannot be made', async () => {
    const harness = sessionManagerHarness();
    harness.handshake.admit = () => Promise.reject(new Error('no key'));
    const fake = harness.open(1, mode);
    harness.send(fake, FRAME.hello, encodeBody('hello', HELLO));
    await turn();
    expect([lastOf(fake), harness.registered]).toMatchObject([{ body: { code: 'internalError' } }, []]);
  });

  it('is closed when its agent is revoked, ready or not, and those of others stay', async () => {
    const harness = sessionManagerHarness();
    const ready = await harness.becomesReady(1, mode);
    const [waiting, other] = [harness.open(1, mode), harness.open(2, mode)];
    const { org, agentId } = ready.session;
    harness.manager.revoked('globex' as OrgId, agentId);
    expect(harness.table.size).toBe(3);
    harness.manager.revoked(org, agentId);
    expect([ready.closes, waiting.closes, other.closes]).toEqual([[CLOSE.revoked.code], [CLOSE.revoked.code], []]);
    expect(harness.table.size).toBe(1);
  });
});

describe.each(MODES)('an identity that was removed: over %s', (mode) => {
  it('between the upgrade and the hello opens no session', async () => {
    const harness = sessionManagerHarness();
    const fake = harness.open(1, mode);
    harness.removed.add(1);
    harness.send(fake, FRAME.hello, encodeBody('hello', HELLO));
    await turn();
    expect([lastOf(fake), harness.registered]).toMatchObject([{ body: { code: 'unauthenticated' } }, []]);
    expect(fake.closes).toEqual([CLOSE.unauthenticated.code]);
  });

  it('ends its sessions, ready or not, and none of another org or of a newer number', async () => {
    const harness = sessionManagerHarness();
    const ready = await harness.becomesReady(1, mode);
    const [waiting, other] = [harness.open(1, mode), await harness.becomesReady(2, mode)];
    const { org, agentId } = ready.session;
    harness.manager.removed('globex' as OrgId, agentId, 9);
    harness.manager.removed(org, agentId, 1);
    expect(harness.table.size).toBe(3);
    harness.manager.removed(org, agentId, 2);
    const code = CLOSE.unauthenticated.code;
    expect([ready.closes, waiting.closes, other.closes]).toEqual([[code], [code], []]);
    expect(lastOf(ready)).toMatchObject({ body: { message: expect.stringContaining('enrol again') } });
  });
});

describe('a connection that takes the place of one that has proven nothing', () => {
  it('ends that one as overloaded', () => {
    const harness = sessionManagerHarness();
    const all = Array.from({ length: 17 }, () => harness.open(1));
    expect(all.map(({ closes }) => closes.length)).toEqual([1, ...Array.from({ length: 16 }, () => 0)]);
    expect(all[0]!.closes).toEqual([CLOSE.overloaded.code]);
    expect(lastOf(all[0]!)).toMatchObject({ body: { code: 'overloaded' } });
  });
});

describe('a session', () => {
  it('is welcomed with its labels, and without a token when it keeps its own', async () => {
    const harness = sessionManagerHarness();
    harness.handshake.admit = (session) => {
      session.profile = fakeSession(1, { labels: { env: 'prod' } }).session.profile;
      return Promise.resolve(undefined);
    };
    const fake = await harness.becomesReady(1);
    const welcome = decodeBody('welcome', fake.frames[1]!.body);
    const labels = { env: 'prod' };
    expect(welcome).toMatchObject({ ok: true, body: { agentId: 'a1', labels, heartbeatMs: 15_000 } });
    expect(welcome.ok && Object.hasOwn(welcome.body, 'token')).toBe(false);
    expect(await metric(harness, 'muster_gateway_hellos_total')).toMatch(/result="ready".* 1$/);
    expect(await metric(harness, 'muster_gateway_live_sessions')).toMatch(/ 1$/);
    expect(await metric(harness, 'muster_gateway_open_connections')).toMatch(/ 1$/);
  });

  it('hands capabilities what its hello said of the time before', async () => {
    const harness = sessionManagerHarness();
    const away = { forMs: 5, failures: 2, why: 'no route' };
    for (const hello of [{ ...HELLO, away }, HELLO]) {
      const fake = harness.open(1);
      harness.send(fake, FRAME.hello, encodeBody('hello', hello));
      await turn();
    }
    expect(harness.noting.hellos).toEqual([{ away }, {}]);
  });

  it('counts as heard of with every message, and with each ping and pong', async () => {
    const harness = sessionManagerHarness();
    const fake = await harness.becomesReady(1);
    const session = sessionOf(harness, fake)!;
    const { connection } = fake.session;
    for (const hear of [
      () => harness.send(fake, FRAME.report),
      () => harness.manager.pinged(connection),
      () => harness.manager.ponged(connection, new Uint8Array()),
    ]) {
      session.quietSweeps = 9;
      hear();
      expect(session.quietSweeps).toBe(0);
    }
  });

  it('finds out that its process stood still before a frame is believed', async () => {
    const harness = sessionManagerHarness();
    const fake = await harness.becomesReady(1);
    harness.identity.tick();
    harness.clock.advance(16_000);
    harness.noting.events.length = 0;
    harness.send(fake, FRAME.report);
    expect([harness.noting.events, lastOf(fake)]).toMatchObject([['fenced', 'closed'], { body: { code: 'fenced' } }]);
    // Its agents have not said goodbye: whoever looks them up finds who held them.
    expect(harness.ended).toEqual([]);
  });

  it('that ended is unregistered once, whoever ends it, and nothing that still comes counts', async () => {
    const harness = sessionManagerHarness();
    const fake = await harness.becomesReady(1);
    const session = sessionOf(harness, fake)!;
    const { connection } = fake.session;
    harness.manager.end(session, 'sessionAge');
    harness.manager.end(session, 'sessionAge');
    harness.manager.closed(connection, 4001);
    harness.send(fake, FRAME.report);
    harness.manager.pinged(connection);
    harness.manager.ponged(connection, new Uint8Array());
    harness.manager.endConnection(connection, 'normal', 'again');
    expect([harness.ended, harness.hub.size, fake.closes]).toEqual([[session], 0, [CLOSE.sessionAge.code]]);
    expect(harness.noting.events).toEqual(['welcome', 'ready ready', 'closed']);
    expect(await metric(harness, 'muster_gateway_closed_connections_total')).toMatch(/code="4001".* 1$/);
  });

  it('that its peer ends is counted under the code of the peer, if that is one of ours', async () => {
    const harness = sessionManagerHarness();
    for (const [code, label] of [
      [1005, '1005'],
      [1006, '1006'],
      [1007, '1007'],
      [4001, '4001'],
      [3_333, 'other'],
    ] as const) {
      const fake = await harness.becomesReady(1);
      harness.manager.closed(fake.session.connection, code);
      expect(await harness.metrics.registry.metrics()).toContain(
        `muster_gateway_closed_connections_total{code="${label}"} 1\n`,
      );
    }
    expect(harness.ended).toHaveLength(5);
  });

  it('is told why, where it is closed from outside', async () => {
    const harness = sessionManagerHarness();
    const fake = await harness.becomesReady(1);
    harness.manager.endConnection(fake.session.connection, 'overloaded', 'too many requests');
    expect(lastOf(fake)).toMatchObject({ body: { code: 'overloaded', message: 'too many requests' } });
    expect(fake.closes).toEqual([CLOSE.overloaded.code]);
  });

  it('ends where the registry says that another machine holds its identity, or that a newer one exists or existed', async () => {
    const harness = sessionManagerHarness();
    const [one, two] = [await harness.becomesReady(1), await harness.becomesReady(2)];
    const three = await harness.becomesReady(3);
    harness.manager.displaced(sessionOf(harness, three)!);
    expect(lastOf(three)).toMatchObject({ body: { code: 'goingAway' } });
    harness.manager.duplicate(sessionOf(harness, one)!, 'another machine');
    harness.manager.superseded(sessionOf(harness, two)!);
    expect(lastOf(one)).toMatchObject({ body: { code: 'duplicateIdentity', message: 'another machine' } });
    expect(lastOf(two)).toMatchObject({ body: { code: 'superseded' } });
    expect(await metric(harness, 'muster_gateway_hellos_total{')).toMatch(/result="duplicate".* 1$/);
  });

  it('is silent for too long: counted as silent, closed with 1002', async () => {
    const harness = sessionManagerHarness();
    const fake = await harness.becomesReady(1);
    harness.manager.start();
    harness.clock.advance(20_000);
    expect(fake.closes).toEqual([CLOSE.protocolError.code]);
    expect(await metric(harness, 'muster_gateway_closed_connections_total')).toContain(`"${CLOSE.silent.code}"`);
    harness.manager.stop();
    expect(harness.clock.pendingTimers).toBe(0);
  });

  it('is asked to move, and closed when all are', async () => {
    const harness = sessionManagerHarness();
    const [one, two] = [await harness.becomesReady(1), await harness.becomesReady(2)];
    harness.manager.askToMove(harness.hub.sessions(), { spreadMs: 700, reason: 'draining' });
    for (const fake of [one, two]) {
      expect(lastOf(fake)).toBe(FRAME.reconnect);
      expect(decodeBody('reconnect', fake.frames.at(-1)!.body)).toEqual({
        ok: true,
        body: { afterMs: 0, spreadMs: 700, reason: 'draining' },
      });
    }
    const waiting = harness.open(3);
    harness.manager.endAll('goingAway');
    expect([one, two, waiting].map(({ closes }) => closes)).toEqual([[1001], [1001], [1001]]);
    expect(harness.table.size).toBe(0);
  });

  it('has the labels that operators set, in its own org only', async () => {
    const harness = sessionManagerHarness();
    const fake = await harness.becomesReady(1);
    const session = sessionOf(harness, fake)!;
    harness.noting.events.length = 0;
    harness.manager.labelsChanged('globex' as OrgId, session.agentId);
    harness.manager.labelsChanged(session.org, fakeSession(9).session.agentId);
    expect([harness.noting.events, session.profile?.labels]).toEqual([[], {}]);
    harness.manager.labelsChanged(session.org, session.agentId);
    expect([harness.noting.events, session.profile?.labels]).toEqual([['relabelled'], { site: 'x' }]);
  });
});
