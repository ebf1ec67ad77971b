import { MemoryBroker } from '@muster/bus/memory';
import {
  decodeBody,
  encodeBody,
  encodeFrame,
  FRAME,
  type FrameType,
  type HelloBody,
  type SessionMode,
} from '@muster/protocol';
import type { Capability, FrameFault, HelloRemainder } from '../foundation/capability.js';
import type { SessionView } from '../foundation/session-view.js';
import type { Handshake } from '../sessions/admission/handshake.js';
import type { Session } from '../sessions/hub/session.js';
import { SessionTable } from '../sessions/hub/session-table.js';
import { SessionManager } from '../sessions/session-manager.js';
import { capabilityContext, turn } from './capability-harness.js';
import { fakeSession, type FakeSession } from './fake-session.js';

/** A capability that notes what the session manager tells it. */
export class NotingCapability implements Capability {
  readonly name = 'noting';
  readonly events: string[] = [];
  readonly hellos: HelloRemainder[] = [];
  fault: FrameFault | undefined;
  readonly frames: Capability['frames'] = [
    { type: FRAME.rows, hasRef: true, handle: (_session, { ref, flags }) => this.#note(`rows ${ref} ${flags}`) },
    { type: FRAME.report, handle: () => this.#note('report') },
  ];

  welcome() {
    this.events.push('welcome');
    return { commandKeys: 'keys' };
  }

  ready(session: SessionView, hello: HelloRemainder) {
    this.events.push(`ready ${session.state}`);
    this.hellos.push(hello);
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

  lapsed() {
    this.events.push('lapsed');
  }

  #note(event: string): FrameFault | undefined {
    this.events.push(event);
    return this.fault;
  }
}

export const HELLO: HelloBody = {
  facts: { host: 'h', os: 'linux', arch: 'x64', osName: '', osVersion: '', agentVersion: '1' },
  labels: {},
  capabilities: [],
  instance: new Uint8Array(16),
  proof: new Uint8Array(64),
};

/** A session manager with one capability (or several of the same), without registry, directory and sockets. */
export function sessionManagerHarness(copies = 1) {
  const context = capabilityContext(new MemoryBroker().connect().bus);
  const table = new SessionTable();
  const noting = new NotingCapability();
  const ended: Session[] = [];
  const registered: Session[] = [];
  const revoked = new Set<string>();
  const removed = new Set<number>();
  const registrations = {
    listen: () => undefined,
    register: (session: Session) => {
      registered.push(session);
      session.epoch = 7;
      manager.registered(session);
    },
    unregister: (session: Session) => void ended.push(session),
  };
  const handshake = {
    verify: (session: Session, body: Uint8Array) => {
      const { challenge } = session;
      session.profile = fakeSession(session.num, { mode: session.mode }).session.profile;
      const hello = decodeBody('hello', body);
      return hello.ok
        ? { ok: true, hello: hello.body, challenge }
        : { ok: false, reason: 'helloInvalid', detail: hello.fault };
    },
    admit: (_session: Session): Promise<string | undefined> => Promise.resolve('a new token'),
  };
  const manager: SessionManager = new SessionManager({
    ...{
      ...context,
      table,
      capabilities: Array.from({ length: copies }, () => noting),
      heartbeats: { aloneMs: 15_000, pairedMs: 30_000, gatewayMs: 15_500 },
      returnSpreadMs: () => 1_000,
      maxAgeMs: 3_600_000,
    },
    handshake: handshake as unknown as Handshake,
    registrations,
    identities: { listen: () => undefined, isRemoved: (_org, _agentId, num) => removed.has(num) },
    firstSessions: { note: () => undefined },
    overrides: {
      listen: () => undefined,
      labelsOf: () => ({ site: 'x' }),
      isRevoked: (org, agentId) => revoked.has(`${org}/${agentId}`),
    },
  });
  const open = (num: number, mode: SessionMode = 'live'): FakeSession => {
    const fake = fakeSession(num, { mode });
    const { org, agentId, challenge } = fake.session;
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
  const becomesReady = async (num: number, mode: SessionMode = 'live'): Promise<FakeSession> => {
    const fake = open(num, mode);
    send(fake, FRAME.hello, encodeBody('hello', HELLO));
    await turn();
    return fake;
  };
  return {
    ...context,
    manager,
    noting,
    table,
    handshake,
    registrations,
    ended,
    registered,
    revoked,
    removed,
    open,
    send,
    becomesReady,
  };
}

/** The last frame that a session was sent: its type, or the decoded ERROR. */
export const lastOf = ({ frames }: FakeSession): unknown => {
  const last = frames.at(-1);
  return last?.type === FRAME.error ? decodeBody('error', last.body) : last?.type;
};
