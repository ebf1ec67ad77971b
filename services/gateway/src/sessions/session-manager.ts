import type { Bus } from '@muster/bus';
import type { DirectoryWriter } from '@muster/directory';
import type { AgentTokenIssuer } from '@muster/identity';
import { encodeBusMessage, SUBJECTS } from '@muster/messages';
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
  type GatewayId,
  type Header,
  type HelloBody,
  type OrgId,
} from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime';
import type { AdmissionMetrics } from './admission/admission-metrics.js';
import type { DenialAuditor } from './admission/denial-auditor.js';
import { checkHello } from './admission/hello.js';
import type { OverrideListener, OperatorOverrides } from '../foundation/operator-overrides.js';
import { renewToken } from './admission/token-renewal.js';
import type { RegistrationListener, RegistrationQueue } from './registration/registration-queue.js';
import type { CommandHandler } from '../capabilities/commands/command-handler.js';
import { toldIntervalMs } from '../capabilities/modes/desired-mode.js';
import type { FallbackRecorder } from '../capabilities/modes/fallback-recorder.js';
import type { ModeHandler } from '../capabilities/modes/mode-handler.js';
import type { QueryHandler } from '../capabilities/queries/query-handler.js';
import type { Connection } from '../edge/transport/transport.js';
import { DuplicateIdentityReporter } from './registration/duplicate-identity-reporter.js';
import { FrameRouter, unexpectedFrame } from './frame-router.js';
import type { Hub } from './hub/hub.js';
import { abilities, makeProfile } from '../foundation/profile.js';
import { Session, type Challenge, type HandshakeContext } from './hub/session.js';
import type { SessionMetrics } from './session-metrics.js';
import { PendingHandshakes } from './hub/pending-handshakes.js';
import { LivenessMonitor } from './liveness-monitor.js';
import { welcomeFrame } from './welcome.js';

export interface SessionManagerOptions {
  readonly hub: Hub;
  readonly queries: QueryHandler;
  readonly commands: CommandHandler;
  readonly modes: Pick<ModeHandler, 'welcome' | 'review'>;
  readonly away: Pick<FallbackRecorder, 'said'>;
  readonly claims: () => RegistrationQueue;
  readonly overrides: OperatorOverrides;
  readonly issuer: AgentTokenIssuer;
  readonly directory: DirectoryWriter;
  readonly audit: DenialAuditor;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: AdmissionMetrics & SessionMetrics;
  readonly heartbeatMs: number;
  readonly gatewayId: () => GatewayId;
  readonly oweReassert: () => void;
  /** Called before a frame is believed; a process that stood still finds out here. */
  readonly checkLease: () => void;
  /** Monotonic time at which a new session is asked to move. */
  readonly rotateAt: () => number;
}

/** The life of sessions on this gateway, from the challenge to the close. */
export class SessionManager implements RegistrationListener, OverrideListener {
  readonly #options: SessionManagerOptions;
  readonly #sessions = new Map<Connection, Session>();
  readonly #pending = new PendingHandshakes();
  /** What waits for WELCOME: a token that was made for it, and what the hello said of being away. */
  readonly #opening = new WeakMap<Session, { readonly token: string | undefined; readonly away: HelloBody['away'] }>();
  readonly #duplicates: DuplicateIdentityReporter;
  readonly #router: FrameRouter;
  readonly #liveness: LivenessMonitor;

  constructor(options: SessionManagerOptions) {
    this.#options = options;
    this.#duplicates = new DuplicateIdentityReporter(options);
    this.#router = new FrameRouter(options);
    this.#liveness = new LivenessMonitor({
      ...options,
      sessions: () => this.#sessions.values(),
      pending: this.#pending,
      end: (session, reason, { detail, countAs }) => this.#end(session, reason, detail, countAs),
    });
  }

  /** Whether one more connection of this agent may wait for its hello. */
  mayChallenge(agentId: AgentId): boolean {
    return this.#pending.hasRoomFor(agentId);
  }

  /** All connections, proven or not. */
  get connections(): number {
    return this.#sessions.size;
  }

  start(): void {
    this.#liveness.start();
  }

  stop(): void {
    this.#liveness.stop();
  }

  opened(connection: Connection, ticket: HandshakeContext): void {
    const { clock } = this.#options;
    const session = new Session(ticket, connection, clock.now());
    this.#sessions.set(connection, session);
    this.#pending.add(session);
    const body = encodeBody('challenge', { nonce: ticket.challenge.nonce, serverTimeMs: clock.now() });
    session.send(encodeFrame(FRAME.challenge, 0, body));
  }

  received(connection: Connection, data: Uint8Array, isBinary: boolean): void {
    this.#options.checkLease();
    const session = this.#sessions.get(connection);
    if (session === undefined) return;
    session.quietSweeps = 0;
    if (session.challenge !== undefined && !this.#mayStillSay(session, session.challenge, data.length)) return;
    if (!isBinary) {
      this.#end(session, 'unsupportedData');
      return;
    }
    const header = decodeHeader(data);
    if (header === undefined) this.#end(session, 'protocolError', 'not a frame of this protocol');
    else this.#frame(session, header, frameBody(data));
  }

  pinged(connection: Connection): void {
    const session = this.#sessions.get(connection);
    if (session !== undefined) this.#liveness.pinged(session);
  }

  ponged(connection: Connection, data: Uint8Array): void {
    const session = this.#sessions.get(connection);
    if (session !== undefined) this.#liveness.ponged(session, data);
  }

  closed(connection: Connection, code: number): void {
    const session = this.#sessions.get(connection);
    if (session === undefined) return;
    const { hub, queries, claims, metrics } = this.#options;
    this.#sessions.delete(connection);
    this.#pending.delete(session);
    session.state = 'closed';
    metrics.closed.inc({ code: CODES.has(code) ? String(code) : 'other' });
    if (session.epoch === 0) return;
    hub.remove(session);
    queries.sessionClosed(session);
    claims().release(session);
  }

  claimed(session: Session, claim: { epoch: number; confirmed: boolean; previous?: GatewayId }): void {
    const { hub, queries, commands, bus, gatewayId, oweReassert, metrics } = this.#options;
    const former = hub.get(session.agentId);
    const isElsewhere = claim.previous !== undefined && claim.previous !== gatewayId();
    // Without the registry nobody knows where it was before.
    if (isElsewhere || !claim.confirmed) session.movedAtMs = this.#options.clock.monotonic();
    session.epoch = claim.epoch;
    session.claimed = claim.confirmed;
    if (!claim.confirmed) oweReassert();
    session.state = 'ready';
    session.quietSweeps = 0;
    hub.add(session);
    metrics.hellos.inc({ result: 'ready' });
    session.connection.cork(() => {
      this.#welcome(session);
      queries.sessionReady(session);
    });
    commands.sessionReady(session);
    // The older one ends last: whatever it still owed is asked of this one by then, and nobody counts as disconnected in between.
    if (former !== undefined && former !== session) this.#end(former, 'superseded');
    if (claim.previous !== undefined && isElsewhere) {
      const notice = { t: 'superseded', agentId: session.agentId, epoch: claim.epoch } as const;
      bus.publish(SUBJECTS.gateway(claim.previous), encodeBusMessage(notice));
    }
  }

  duplicate(session: Session, holder: { instance: string; reason: string }): void {
    this.#options.metrics.hellos.inc({ result: 'duplicate' });
    this.#end(session, 'duplicateIdentity', this.#duplicates.tell(session, holder));
  }

  /** A newer session of this agent exists elsewhere. */
  superseded(agentId: AgentId, epoch: number): void {
    const session = this.#options.hub.get(agentId);
    if (session !== undefined && session.epoch < epoch) this.#end(session, 'superseded');
  }

  /** Operators changed an agent's labels: from now on selectors see the new ones. */
  labelsChanged(org: OrgId, agentId: AgentId): void {
    const { hub, overrides, modes } = this.#options;
    const session = hub.get(agentId);
    const profile = session?.profile;
    if (session === undefined || profile === undefined || session.org !== org) return;
    const facts = { ...profile, agentVersion: profile.version };
    hub.relabel(session, makeProfile(facts, profile.agentLabels, overrides.labelsOf(org, agentId)));
    modes.review(session);
  }

  revoked(org: OrgId, agentId: AgentId): void {
    for (const session of this.#sessions.values()) {
      if (session.agentId === agentId && session.org === org) this.#end(session, 'revoked');
    }
  }

  /** Closes every connection. Those of a gateway that stops or is fenced are told to come back. */
  endAll(reason: CloseReason): void {
    for (const session of [...this.#sessions.values()]) this.#end(session, reason);
  }

  /** Asks sessions to open their next one elsewhere, somewhere within `spreadMs`. */
  askToMove(sessions: Iterable<Session>, move: { readonly spreadMs: number; readonly reason: string }): void {
    const body = encodeBody('reconnect', { afterMs: 0, spreadMs: move.spreadMs, reason: move.reason });
    const frame = encodeFrame(FRAME.reconnect, 0, body);
    for (const session of sessions) session.send(frame);
  }

  end(session: Session, reason: CloseReason): void {
    this.#end(session, reason);
  }

  endConnection(connection: Connection, reason: CloseReason, detail: string): void {
    const session = this.#sessions.get(connection);
    if (session !== undefined) this.#end(session, reason, detail);
  }

  /** Its hello came, and WELCOME is not sent yet. */
  isOpening(connection: Connection): boolean {
    return this.#sessions.get(connection)?.state === 'claiming';
  }

  /** How long the agent at the other end waits between two polls, as it was told. */
  intervalOf(connection: Connection): number {
    const session = this.#sessions.get(connection);
    return session === undefined ? LIMITS.pollIntervalMs : toldIntervalMs(session, this.#options.clock.now());
  }

  #mayStillSay(session: Session, challenge: Challenge, bytes: number): boolean {
    challenge.bytes += bytes;
    if (challenge.bytes <= LIMITS.helloBytes) return true;
    this.#end(session, 'helloTooBig');
    return false;
  }

  #frame(session: Session, header: Header, body: Uint8Array): void {
    if (header.ref !== 0 && !isAboutQuery(header.type)) {
      this.#end(session, 'protocolError', 'a handle where none is meant');
      return;
    }
    if (session.state === 'challenged' && header.type === FRAME.hello) {
      this.#hello(session, body);
      return;
    }
    const fault = session.state === 'ready' ? this.#router.route(session, header, body) : unexpectedFrame(header.type);
    if (fault !== undefined) this.#end(session, fault.reason, fault.detail);
  }

  #hello(session: Session, body: Uint8Array): void {
    const { metrics, logger } = this.#options;
    const checked = checkHello(session, body);
    const challenge = session.challenge;
    if (!checked.ok || challenge === undefined) {
      const reason = checked.ok ? 'protocolError' : checked.reason;
      metrics.hellos.inc({ result: reason });
      // A token without its key: somebody may have stolen it.
      if (reason === 'unauthenticated') this.#auditRefusal(session, reason, 'the proof does not match the token');
      this.#end(session, reason, checked.ok ? CLOSE.protocolError.meaning : checked.detail);
      return;
    }
    this.#pending.delete(session);
    session.challenge = undefined;
    session.state = 'claiming';
    this.#admit(session, checked.hello, challenge).catch((error: unknown) => {
      logger.error('admitting an agent failed', { err: error });
      this.#end(session, 'internalError');
    });
  }

  async #admit(session: Session, hello: HelloBody, challenge: Challenge): Promise<void> {
    const { overrides, claims, rotateAt } = this.#options;
    const { org, agentId } = session;
    const facts = { ...hello.facts, ...abilities(hello.capabilities), mode: session.mode };
    session.profile = makeProfile(facts, hello.labels, overrides.labelsOf(org, agentId));
    session.host = hello.facts.host;
    session.instance = Buffer.from(hello.instance).toString('hex');
    session.replaces = hello.replaces;
    session.rotateAtMs = rotateAt();
    const token = await renewToken(this.#options, session, { ...hello, former: challenge });
    this.#opening.set(session, { token, away: hello.away });
    if (session.state !== 'claiming') return;
    // The revocation may have come between the upgrade and now.
    if (overrides.isRevoked(org, agentId)) this.#end(session, 'revoked');
    else claims().claim(session);
  }

  #welcome(session: Session): void {
    const opening = this.#opening.get(session);
    this.#opening.delete(session);
    const { commands, modes, away, heartbeatMs } = this.#options;
    const mode = modes.welcome(session);
    session.send(welcomeFrame(session, { token: opening?.token, commandKeys: commands.keys, heartbeatMs, mode }));
    if (opening?.away !== undefined) away.said(session, opening.away);
  }

  #auditRefusal({ org, agentId, connection }: Session, code: string, reason: string): void {
    this.#options.audit.refused({ org, action: 'agent.connect', from: connection.address, agentId, code, reason });
  }

  /** `countAs`: the reason in the metrics. */
  #end(session: Session, reason: CloseReason, detail?: string, countAs = reason): void {
    if (session.state === 'closed') return;
    session.close(reason, detail);
    // Some transports report the close later; nothing that this session says in between may count.
    this.closed(session.connection, CLOSE[countAs].code);
  }
}

/** Peers may close with any code; only those that mean something get a line of their own. */
const CODES: ReadonlySet<number> = new Set([...Object.values(CLOSE).map(({ code }) => code), 1005, 1006, 1007]);

function isAboutQuery(type: number): boolean {
  return type === FRAME.rows || type === FRAME.queryEnd;
}
