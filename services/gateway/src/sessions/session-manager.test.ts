import { describe, expect, it } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import { decodeBody, encodeBody, encodeFrame, FLAG_FINAL, FRAME, type FrameType } from '@muster/protocol';
import type { Capability, FrameFault } from '../foundation/capability.js';
import type { SessionView } from '../foundation/session-view.js';
import { capabilityContext, turn } from '../testing/capability-harness.js';
import { fakeSession, type FakeSession } from '../testing/fake-session.js';
import type { Handshake } from './admission/handshake.js';
import type { Session } from './hub/session.js';
import { SessionTable } from './hub/session-table.js';
import { SessionManager } from './session-manager.js';

/** A capability that notes what the session manager tells it. */
class NotingCapability implements Capability {
  readonly name = 'noting';
  readonly events: string[] = [];
  fault: FrameFault | undefined;
  readonly frames: Capability['frames'] = [
    { type: FRAME.rows, hasRef: true, handle: (_session, { ref, flags }) => this.#note(`rows ${ref} ${flags}`) },
    { type: FRAME.report, handle: () => this.#note('report') },
  ];

  welcome() {
    this.events.push('welcome');
    return { commandKeys: 'keys' };
  }

  ready(session: SessionView) {
    this.events.push(`ready ${session.state}`);
  }

  closed() {
    this.events.push('closed');
  }

  relabelled() {
    this.events.push('relabelled');
  }

  fenced() {
    this.events.push('fenced');
  }

  renamed() {
    this.events.push('renamed');
  }

  #note(event: string): FrameFault | undefined {
    this.events.push(event);
    return this.fault;
  }
}

const HELLO = encodeBody('hello', {
  facts: { host: 'h', os: 'linux', arch: 'x64', osName: '', osVersion: '', agentVersion: '1' },
  labels: {},
  capabilities: [],
  instance: new Uint8Array(16),
  proof: new Uint8Array(64),
});

function setUp(copies = 1) {
  const context = capabilityContext(new MemoryBroker().connect().bus);
  const { hub, identity } = context;
  const table = new SessionTable();
  const noting = new NotingCapability();
  const ended: Session[] = [];
  const registrations = {
    listen: () => undefined,
    register: (session: Session) => {
      session.epoch = 7;
      manager.registered(session);
    },
    unregister: (session: Session) => void ended.push(session),
  };
  const handshake = {
    verify: ({ challenge }: Session, body: Uint8Array) => {
      const hello = decodeBody('hello', body);
      return hello.ok
        ? { ok: true, hello: hello.body, challenge }
        : { ok: false, reason: 'helloInvalid', detail: hello.fault };
    },
    admit: () => Promise.resolve('a new token'),
  };
  const manager: SessionManager = new SessionManager({
    ...{
      ...context,
      table,
      capabilities: Array.from({ length: copies }, () => noting),
      heartbeatMs: 15_000,
      maxAgeMs: 3_600_000,
    },
    handshake: handshake as unknown as Handshake,
    registrations,
    overrides: { listen: () => undefined, labelsOf: () => ({ site: 'x' }), isRevoked: () => false },
  });
  const open = (num: number): FakeSession => {
    const fake = fakeSession(num);
    const { org, agentId, mode, challenge } = fake.session;
    if (challenge === undefined) throw new Error('no challenge');
    manager.opened(fake.session.connection, { org, agentId, num, mode, challenge });
    return fake;
  };
  const send = (
    { session }: FakeSession,
    type: FrameType,
    body: Uint8Array = new Uint8Array(),
    { ref = 0, flags = 0 } = {},
  ): void => manager.received(session.connection, encodeFrame(type, ref, body, flags), true);
  const becomesReady = async (num: number): Promise<FakeSession> => {
    const fake = open(num);
    send(fake, FRAME.hello, HELLO);
    const session = table.get(fake.session.connection);
    if (session !== undefined) session.profile = fake.session.profile;
    await turn();
    return fake;
  };
  return { manager, noting, hub, table, identity, ended, open, send, becomesReady };
}

const lastOf = ({ frames }: FakeSession): unknown => {
  const last = frames.at(-1);
  return last?.type === FRAME.error ? decodeBody('error', last.body) : last?.type;
};

describe('a session', () => {
  it('is challenged, registered and welcomed with what capabilities add, before they send anything', async () => {
    const { noting, hub, becomesReady } = setUp();
    const fake = await becomesReady(1);
    expect(fake.frames.map(({ type }) => type)).toEqual([FRAME.challenge, FRAME.welcome]);
    expect(decodeBody('welcome', fake.frames[1]!.body)).toMatchObject({
      body: { epoch: 7, token: 'a new token', commandKeys: 'keys', heartbeatMs: 15_000 },
    });
    expect([noting.events, hub.size]).toEqual([['welcome', 'ready ready'], 1]);
  });

  it('hands each frame to the capability that takes frames of its type', async () => {
    const { noting, send, becomesReady } = setUp();
    const fake = await becomesReady(1);
    send(fake, FRAME.rows, new Uint8Array(), { ref: 9, flags: FLAG_FINAL });
    send(fake, FRAME.report);
    expect(noting.events.slice(2)).toEqual([`rows 9 ${FLAG_FINAL}`, 'report']);
  });

  it.each([
    ['a second hello', FRAME.hello, 0, 'frame type'],
    ['a frame that only gateways send', FRAME.command, 0, 'frame type'],
    ['a frame that no capability takes', FRAME.queryEnd, 0, 'frame type'],
    ['a handle where none is meant', FRAME.report, 5, 'a handle'],
  ] as const)('ends at %s', async (_what, type, ref, detail) => {
    const { noting, table, send, becomesReady } = setUp();
    const fake = await becomesReady(1);
    send(fake, type, HELLO, { ref });
    expect(lastOf(fake)).toMatchObject({ body: { code: 'protocolError', message: expect.stringContaining(detail) } });
    expect([table.size, noting.events.at(-1)]).toEqual([0, 'closed']);
  });

  it('takes no frame of a capability before it is ready', () => {
    const { noting, open, send } = setUp();
    const fake = open(1);
    send(fake, FRAME.report);
    expect([noting.events, lastOf(fake)]).toMatchObject([[], { body: { code: 'protocolError' } }]);
  });

  it('ends with the fault that a capability returns', async () => {
    const { noting, ended, send, becomesReady } = setUp();
    const fake = await becomesReady(1);
    noting.fault = { reason: 'overloaded', detail: 'too much' };
    send(fake, FRAME.report);
    expect(lastOf(fake)).toMatchObject({ body: { code: 'overloaded', message: 'too much' } });
    expect(ended).toHaveLength(1);
  });

  it('takes the place of an older one of the same agent, which ends after it is ready', async () => {
    const { noting, hub, becomesReady } = setUp();
    const former = await becomesReady(1);
    const newer = await becomesReady(1);
    expect(lastOf(former)).toMatchObject({ body: { code: 'superseded' } });
    expect(hub.get(newer.session.agentId)?.connection).toBe(newer.session.connection);
    expect(noting.events).toEqual(['welcome', 'ready ready', 'welcome', 'ready ready', 'closed']);
  });
});

describe('capabilities hear', () => {
  it('about new labels, a new id, and a fencing before their sessions are closed', async () => {
    const { manager, noting, hub, identity, becomesReady } = setUp();
    const fake = await becomesReady(1);
    noting.events.length = 0;
    manager.labelsChanged(fake.session.org, fake.session.agentId);
    expect(hub.get(fake.session.agentId)?.profile?.labels).toMatchObject({ site: 'x' });
    identity.rename();
    manager.fenced();
    expect(noting.events).toEqual(['relabelled', 'renamed', 'fenced', 'closed']);
    expect(lastOf(fake)).toMatchObject({ body: { code: 'fenced' } });
  });

  it('nothing when two of them take the same frames: the constructor throws', () => {
    expect(() => setUp(2)).toThrow('noting takes frames that are taken');
  });
});
