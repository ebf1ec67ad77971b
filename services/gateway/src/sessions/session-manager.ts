import {
  CLOSE,
  decodeHeader,
  encodeBody,
  encodeFrame,
  FRAME,
  frameBody,
  LIMITS,
  type AgentId,
  type CloseReason,
  type Header,
  type HelloBody,
  type OrgId,
} from '@muster/protocol';
import type { Clock, Logger, Metrics } from '@muster/runtime';
import type { Capability, HelloRemainder, WelcomeAddition } from '../foundation/capability.js';
import type { Connection, ConnectionListener } from '../foundation/connection.js';
import type { GatewayIdentity, IdentityListener } from '../foundation/gateway-identity.js';
import type { OperatorOverrides, OverrideListener } from '../foundation/operator-overrides.js';
import type { EnrolledIdentities, RemovalListener } from '../foundation/enrolled-identities.js';
import { makeProfile } from '../foundation/profile.js';
import type { Handshake } from './admission/handshake.js';
import type { Hub } from './hub/hub.js';
import { Session, type Challenge, type HandshakeContext } from './hub/session.js';
import type { SessionTable } from './hub/session-table.js';
import { FrameDispatcher } from './frame-dispatcher.js';
import { type Heartbeats, LivenessMonitor } from './liveness-monitor.js';
import { MaxConnectionAge } from './max-connection-age.js';
import type { FirstSessionRecorder } from './registration/first-session-recorder.js';
import type { RegistrationListener, RegistrationQueue } from './registration/registration-queue.js';
import { closeCodeLabel, createSessionMetrics, type SessionMetrics } from './session-metrics.js';

export interface SessionManagerOptions {
  readonly hub: Hub;
  readonly table: SessionTable;
  readonly identity: GatewayIdentity;
  readonly handshake: Pick<Handshake, 'verify' | 'admit'>;
  readonly registrations: Pick<RegistrationQueue, 'listen' | 'register' | 'unregister'>;
  readonly overrides: Pick<OperatorOverrides, 'listen' | 'labelsOf' | 'isRevoked'>;
  readonly identities: Pick<EnrolledIdentities, 'listen' | 'isRemoved'>;
  readonly firstSessions: Pick<FirstSessionRecorder, 'note'>;
  readonly capabilities: readonly Capability[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly heartbeats: Heartbeats;
  /** Within which time the agents of this gateway come back, should it be lost. */
  readonly returnSpreadMs: () => number;
  readonly maxAgeMs: number;
}

/** What waits for WELCOME. */
interface Opening {
  readonly token: string | undefined;
  readonly hello: HelloRemainder;
}

/**
 * The life of sessions on this gateway, from the challenge to the close. It knows that there are capabilities, but not which: it hands each
 * frame of a ready session to the capability that takes frames of its type.
 *
 *     opened ──CHALLENGE──▶ HELLO ──handshake──▶ registered ──WELCOME──▶ frames ──▶ closed
 */
export class SessionManager
  implements
    ConnectionListener<HandshakeContext>,
    RegistrationListener,
    IdentityListener,
    OverrideListener,
    RemovalListener
{
  readonly #options: SessionManagerOptions;
  readonly #metrics: SessionMetrics;
  readonly #liveness: LivenessMonitor;
  readonly #age: MaxConnectionAge;
  readonly #frames: FrameDispatcher;
  readonly #opening = new WeakMap<Session, Opening>();
  #isFencing = false;

  constructor(options: SessionManagerOptions) {
    this.#options = options;
    const { hub, table, clock, heartbeats, maxAgeMs, capabilities } = options;
    this.#metrics = createSessionMetrics(options.metrics, {
      sessions: () => hub.size,
      connections: () => table.size,
    });
    this.#liveness = new LivenessMonitor({ clock, table, heartbeats, end: (...why) => this.#end(...why) });
    this.#age = new MaxConnectionAge({ hub, clock, maxAgeMs, sessions: this });
    this.#frames = new FrameDispatcher(capabilities);
    options.registrations.listen(this);
    options.identity.listen(this);
    options.overrides.listen(this);
    options.identities.listen(this);
  }

  start(): void {
    this.#liveness.start();
    this.#age.start();
  }

  stop(): void {
    this.#liveness.stop();
    this.#age.stop();
  }

  opened(connection: Connection, context: HandshakeContext): void {
    const { clock, table } = this.#options;
    const session = new Session(context, connection, clock.now());
    for (const unproven of table.add(session)) this.#end(unproven, 'overloaded', 'a newer connection took its place');
    const body = encodeBody('challenge', { nonce: context.challenge.nonce, serverTimeMs: clock.now() });
    session.send(encodeFrame(FRAME.challenge, 0, body));
  }

  /** `ageMs`: what the frame says was true so long ago, as a Poll batch has it. */
  received(connection: Connection, data: Uint8Array, isBinary: boolean, ageMs = 0): void {
    // A process that stood still finds out before it believes a frame.
    this.#options.identity.checkLease();
    const session = this.#options.table.get(connection);
    if (session === undefined) return;
    session.quietSweeps = 0;
    if (session.challenge !== undefined && !this.#fitsBeforeHello(session, session.challenge, data.length)) return;
    if (!isBinary) {
      this.#end(session, 'unsupportedData');
      return;
    }
    const header = decodeHeader(data);
    if (header === undefined) this.#end(session, 'protocolError', 'not a frame of this protocol');
    else this.#frame(session, header, frameBody(data), ageMs);
  }

  pinged(connection: Connection): void {
    const session = this.#options.table.get(connection);
    if (session !== undefined) this.#liveness.pinged(session);
  }

  ponged(connection: Connection, data: Uint8Array): void {
    const session = this.#options.table.get(connection);
    if (session !== undefined) this.#liveness.ponged(session, data);
  }

  closed(connection: Connection, code: number): void {
    const { hub, table, registrations, capabilities } = this.#options;
    const session = table.get(connection);
    if (session === undefined) return;
    table.delete(session);
    session.state = 'closed';
    this.#metrics.closed.inc({ code: closeCodeLabel(code) });
    if (session.epoch === 0) return;
    hub.remove(session);
    for (const capability of capabilities) capability.closed?.(session);
    // What ends in a fence has not said goodbye: the registry goes on naming the former id, whose lease has lapsed.
    if (!this.#isFencing) registrations.unregister(session);
  }

  registered(session: Session): void {
    const { hub, capabilities } = this.#options;
    const former = hub.get(session.agentId);
    session.state = 'ready';
    session.quietSweeps = 0;
    hub.add(session);
    this.#metrics.hellos.inc({ result: 'ready' });
    this.#options.firstSessions.note(session);
    const { token, hello = {} }: Partial<Opening> = this.#opening.get(session) ?? {};
    this.#opening.delete(session);
    session.connection.cork(() => {
      this.#welcome(session, token);
      for (const capability of capabilities) capability.ready?.(session, hello);
    });
    // The older one ends last: by then its queries are asked of this one, and the agent never counts as disconnected.
    if (former !== undefined && former !== session) this.#end(former, 'superseded');
  }

  duplicate(session: Session, reason: string): void {
    this.#metrics.hellos.inc({ result: 'duplicate' });
    this.#end(session, 'duplicateIdentity', reason);
  }

  superseded(session: Session): void {
    this.#end(session, 'superseded');
  }

  displaced(session: Session): void {
    this.#end(session, 'goingAway', 'another session of this agent took over, which may have ended; come back');
  }

  fenced(): void {
    for (const capability of this.#options.capabilities) capability.fenced?.();
    this.#isFencing = true;
    this.endAll('fenced');
    this.#isFencing = false;
  }

  lapsed(): void {
    for (const capability of this.#options.capabilities) capability.lapsed?.();
  }

  /** Operators changed an agent's labels: from now on selectors see the new ones. */
  labelsChanged(org: OrgId, agentId: AgentId): void {
    const { hub, overrides, capabilities } = this.#options;
    const session = hub.get(agentId);
    const profile = session?.profile;
    if (session === undefined || profile === undefined || session.org !== org) return;
    hub.relabel(session, makeProfile(profile, profile.agentLabels, overrides.labelsOf(org, agentId)));
    for (const capability of capabilities) capability.relabelled?.(session);
  }

  revoked(org: OrgId, agentId: AgentId): void {
    for (const session of this.#options.table.sessions()) {
      if (session.agentId === agentId && session.org === org) this.#end(session, 'revoked');
    }
  }

  /** An identity was removed: sessions of its number end, and their agents enrol again. */
  removed(org: OrgId, agentId: AgentId, belowNum: number): void {
    const { hub, table } = this.#options;
    for (const session of [hub.get(agentId), ...table.pending.of(agentId)]) {
      if (session !== undefined && session.org === org && session.num < belowNum)
        this.#end(session, 'unauthenticated', 'the identity was removed; enrol again');
    }
  }

  /** Closes every connection. Agents come back after a gateway has stopped or was fenced. */
  endAll(reason: CloseReason): void {
    for (const session of [...this.#options.table.sessions()]) this.#end(session, reason);
  }

  /** Asks sessions to open their next one elsewhere, at some moment within `spreadMs`. */
  askToMove(sessions: Iterable<Session>, move: { readonly spreadMs: number; readonly reason: string }): void {
    const body = encodeBody('reconnect', { afterMs: 0, spreadMs: move.spreadMs, reason: move.reason });
    const frame = encodeFrame(FRAME.reconnect, 0, body);
    for (const session of sessions) session.send(frame);
  }

  end(session: Session, reason: CloseReason): void {
    this.#end(session, reason);
  }

  endConnection(connection: Connection, reason: CloseReason, detail: string): void {
    const session = this.#options.table.get(connection);
    if (session !== undefined) this.#end(session, reason, detail);
  }

  /** Its hello came, and WELCOME is not sent yet. */
  isOpening(connection: Connection): boolean {
    return this.#options.table.get(connection)?.state === 'registering';
  }

  #fitsBeforeHello(session: Session, challenge: Challenge, bytes: number): boolean {
    challenge.bytes += bytes;
    if (challenge.bytes <= LIMITS.helloBytes) return true;
    this.#end(session, 'helloTooBig');
    return false;
  }

  #frame(session: Session, header: Header, body: Uint8Array, ageMs: number): void {
    if (session.state === 'challenged' && header.type === FRAME.hello && header.ref === 0) {
      this.#hello(session, body);
      return;
    }
    const fault = this.#frames.dispatch(session, header, body, ageMs);
    if (fault !== undefined) this.#end(session, fault.reason, fault.detail);
  }

  #hello(session: Session, body: Uint8Array): void {
    const { handshake, table, logger } = this.#options;
    const verified = handshake.verify(session, body);
    if (!verified.ok) {
      this.#metrics.hellos.inc({ result: verified.reason });
      this.#end(session, verified.reason, verified.detail);
      return;
    }
    table.pending.delete(session);
    session.challenge = undefined;
    session.state = 'registering';
    this.#liveness.began(session, verified.hello);
    session.moveAtMs = this.#age.moveAtMs();
    this.#admit(session, verified).catch((error: unknown) => {
      logger.error('admitting an agent failed', { err: error });
      this.#end(session, 'internalError');
    });
  }

  async #admit(
    session: Session,
    verified: { readonly hello: HelloBody; readonly challenge: Challenge },
  ): Promise<void> {
    const { handshake, overrides, identities, registrations } = this.#options;
    const { away } = verified.hello;
    const token = await handshake.admit(session, verified);
    this.#opening.set(session, { token, hello: away === undefined ? {} : { away } });
    if (session.state !== 'registering') return;
    // The revocation may have come between the upgrade and now.
    if (overrides.isRevoked(session.org, session.agentId)) this.#end(session, 'revoked');
    else if (identities.isRemoved(session.org, session.agentId, session.num)) this.#end(session, 'unauthenticated');
    else registrations.register(session);
  }

  #welcome(session: Session, token: string | undefined): void {
    const { capabilities, returnSpreadMs } = this.#options;
    const added: WelcomeAddition = {};
    for (const capability of capabilities) Object.assign(added, capability.welcome?.(session));
    const body = encodeBody('welcome', {
      agentId: session.agentId,
      epoch: session.epoch,
      ...this.#liveness.promises(session),
      returnSpreadMs: returnSpreadMs(),
      labels: { ...session.profile?.labels },
      ...(token === undefined ? {} : { token }),
      ...added,
    });
    session.send(encodeFrame(FRAME.welcome, 0, body));
  }

  /** `countAs`: the reason in the metrics. */
  #end(session: Session, reason: CloseReason, detail?: string, countAs = reason): void {
    session.close(reason, detail);
    // Some transports report the close later; frames that come in between must not count.
    this.closed(session.connection, CLOSE[countAs].code);
  }
}
