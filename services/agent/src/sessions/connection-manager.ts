import {
  CAPABILITY,
  CLOSE,
  type HelloBody,
  type ReconnectBody,
  type SessionMode,
  type WelcomeBody,
} from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime/program';
import type { Capability } from '../contract/capability.js';
import { describeEnd } from '../contract/describe-end.js';
import type { DesiredMode } from '../contract/desired-mode.js';
import type { Connect, ConnectionEnd, SessionConnection } from '../contract/session-connection.js';
import type { SessionFrame } from '../contract/session-frames.js';
import type { NetworkEnd } from '../network/network-end.js';
import { ActiveSession } from './active-session.js';
import { CapabilitySet } from './capability-set.js';
import type { Credentials } from './credentials.js';
import { ModeChangePace } from './mode-change-pace.js';
import { type Reconnect, ReconnectPolicy } from './reconnect-policy.js';
import { type Purpose, ReconnectSchedule } from './reconnect-schedule.js';
import { TransportSelector } from './transport-selector.js';

/**
 *                    ┌────────────────── delay over ──────────────────────┐
 *                    ▼                                                    │
 *  idle ─start─▶ connecting ───WELCOME───▶ active ──closed──▶ waiting ────┘
 *                    │                     │  ▲                  ▲
 *                    └──refused, failed────┼──┼──────────────────┘
 *         RECONNECT, another mode, renewal │  │ WELCOME of the next session, then the old one is closed
 *                                          ▼  │
 *                                         moving (the session is still active, the next one is being opened)
 *
 *  any ──stop──▶ stopped
 */
export type ConnectionManagerState = 'idle' | 'connecting' | 'active' | 'moving' | 'waiting' | 'stopped';

export interface ConnectionManagerOptions {
  /** URLs of the gateways. After each failure the next one is tried. */
  readonly gateways: readonly string[];
  readonly connect: Connect;
  readonly desired: DesiredMode;
  readonly credentials: Credentials;
  readonly capabilities: readonly Capability[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: () => number;
  /** Called at every WELCOME. */
  readonly onReady?: () => void;
}

/** Within this time a gateway notices that a connection is gone. */
const LATE_MS = 120_000;

interface Attempt {
  readonly connection: SessionConnection | undefined;
  readonly purpose: Purpose;
}

/**
 * Keeps one session with a gateway for as long as the agent runs: opens it, reopens it, and moves it to another gateway
 * or transport.
 */
export class ConnectionManager {
  readonly #options: ConnectionManagerOptions;
  readonly #capabilities: CapabilitySet;
  readonly #policy: ReconnectPolicy;
  readonly #selector: TransportSelector;
  readonly #schedule: ReconnectSchedule;
  readonly #pace: ModeChangePace;
  readonly #stopping = new AbortController();
  readonly #closing = new Set<SessionConnection>();
  #gatewayIndex: number;
  #session: ActiveSession | undefined;
  #attempt: Attempt | undefined;
  #started = false;
  #connectedAtMs = Number.NEGATIVE_INFINITY;
  /** When an attempt failed that a gateway had answered: its session may begin there later. */
  #failedAtMs = Number.NEGATIVE_INFINITY;
  #epoch: number | undefined;
  /** The last attempt had to give way to others before it was ready: the next one proves the key with its request. */
  #isCrowded = false;
  /** HELLO may have changed since the attempt in progress sent it. */
  #isStale = false;
  #onAllClosed: (() => void) | undefined;

  constructor(options: ConnectionManagerOptions) {
    this.#options = options;
    const { capabilities, clock, desired, gateways, random = Math.random } = options;
    const own: Capability = {
      flags: () => [CAPABILITY.heartbeat],
      frames: { reconnect: (body) => this.#onReconnect(body) },
    };
    this.#capabilities = new CapabilitySet([...capabilities, own]);
    this.#policy = new ReconnectPolicy(random, gateways.length);
    this.#selector = new TransportSelector({ desired, clock, random });
    this.#pace = new ModeChangePace({ clock, random });
    this.#schedule = new ReconnectSchedule({
      clock,
      random,
      selector: this.#selector,
      run: (purpose) => void this.#open(purpose),
    });
    this.#gatewayIndex = Math.floor(random() * gateways.length);
  }

  get state(): ConnectionManagerState {
    if (this.#stopping.signal.aborted) return 'stopped';
    if (!this.#started) return 'idle';
    if (this.#session !== undefined) return this.#attempt === undefined ? 'active' : 'moving';
    return this.#attempt === undefined ? 'waiting' : 'connecting';
  }

  /** The mode of the active session. */
  get mode(): SessionMode | undefined {
    return this.#session?.connection.mode;
  }

  get rttMs(): number | undefined {
    return this.#session?.connection.rttMs;
  }

  /** Both ends of all open connections. */
  get ends(): readonly NetworkEnd[] {
    const open = [this.#session?.connection, this.#attempt?.connection, ...this.#closing];
    return open.flatMap((one) => one?.ends ?? []);
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#options.desired.start((spreadMs) => this.#onModeChange(spreadMs));
    void this.#open('recovery');
  }

  /** HELLO has changed: opens another session, then closes the active one. */
  renew(): void {
    // Without a session, the next HELLO is new anyway. A HELLO that is being sent may be too old.
    if (this.#attempt !== undefined) this.#isStale = true;
    else if (this.#session !== undefined) this.#schedule.set('renewal', 0);
  }

  /** Closes everything in an orderly way; resolves when no socket is left. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#options.desired.stop();
    this.#schedule.drop();
    this.#schedule.dropProbe();
    const attempt = this.#attempt?.connection;
    this.#leaveSession('agent_stops');
    if (attempt !== undefined) this.#close(attempt, 'agent_stops');
    if (this.#closing.size > 0) await new Promise<void>((resolve) => (this.#onAllClosed = resolve));
  }

  async #open(purpose: Purpose): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    if (this.#attempt !== undefined) {
      // Only a probe of Live can be in progress, and it may fail.
      this.#isStale ||= purpose === 'reconnect' || purpose === 'renewal';
      return;
    }
    const token = this.#options.credentials.token() ?? (await this.#enrol(purpose));
    if (token === undefined || this.#stopping.signal.aborted) return;
    this.#connect(token, purpose);
  }

  async #enrol(purpose: Purpose): Promise<string | undefined> {
    const { credentials, logger } = this.#options;
    this.#attempt = { connection: undefined, purpose };
    const outcome = await credentials.enrol(this.#stopping.signal);
    this.#attempt = undefined;
    if (this.#stopping.signal.aborted) return undefined;
    if (outcome.kind === 'enrolled') {
      logger.info('enrolled', { agentId: outcome.agentId, num: outcome.num });
      return outcome.token;
    }
    if (outcome.kind === 'failed') this.#nextGateway();
    const detail = outcome.kind === 'refused' ? outcome.refusal.detail : undefined;
    this.#tryAgain(purpose, this.#policy.afterEnrolment(outcome), detail);
    return undefined;
  }

  #connect(token: string, purpose: Purpose): void {
    const { clock, connect, credentials, desired, gateways, logger } = this.#options;
    const at = this.#gatewayIndex;
    const [gateway = '', ...otherGateways] = [...gateways.slice(at), ...gateways.slice(0, at)];
    const mode = this.#modeFor(purpose);
    logger.debug('connecting', { gateway, mode });
    this.#isStale = false;
    this.#connectedAtMs = clock.monotonic();
    const connection = connect(
      {
        mode,
        gateway,
        otherGateways,
        token,
        ...(this.#isCrowded ? { proof: credentials.connectProof(token) } : {}),
        intervalMs: desired.setting.intervalMs,
        openTimeoutMs: this.#policy.openTimeoutMs,
        hello: (challenge) => ({ ...credentials.hello(challenge, token), ...this.#sessionHello() }),
      },
      {
        onReady: (welcome) => this.#onReady(connection, gateway, welcome),
        onFrame: (frame) => this.#onFrame(connection, frame),
        onPoll: () => {
          if (this.#session?.connection === connection) this.#capabilities.polling();
        },
        onWritable: () => {
          if (this.#session?.connection === connection) this.#capabilities.writable();
        },
        onEnd: (end) => this.#onEnd(connection, end),
      },
    );
    this.#attempt = { connection, purpose };
  }

  #modeFor(purpose: Purpose): SessionMode {
    if (purpose === 'probe') return 'live';
    return this.#session === undefined ? this.#selector.next : this.#selector.preferred;
  }

  #sessionHello(): Pick<HelloBody, 'capabilities' | 'replaces' | 'away'> {
    const { fallback } = this.#selector;
    return {
      capabilities: this.#capabilities.flags(),
      ...(this.#epoch === undefined ? {} : { replaces: this.#epoch }),
      ...(fallback === undefined ? {} : { away: fallback }),
    };
  }

  #onReady(connection: SessionConnection, gateway: string, welcome: WelcomeBody): void {
    const { clock, credentials, desired, logger, onReady } = this.#options;
    const { epoch, mode, returnSpreadMs, token } = welcome;
    this.#attempt = undefined;
    this.#isCrowded = false;
    this.#schedule.drop();
    this.#epoch = epoch;
    this.#policy.sessionReady(returnSpreadMs);
    if (token !== undefined) credentials.setToken(token);
    const moved = this.#session !== undefined;
    // Move before break: the old session is closed only now that the new one is ready.
    this.#leaveSession('moved');
    this.#selector.ready(connection.mode);
    this.#session = new ActiveSession(connection, gateway, clock);
    const fields = { gateway, mode: connection.mode, moved, epoch, tokenRenewed: token !== undefined };
    logger.info('session ready', fields);
    this.#capabilities.ready(connection, welcome);
    onReady?.();
    if (mode?.mode === 'poll') this.#selector.modeChanged(0);
    connection.pollEvery(desired.setting.intervalMs);
    const isElsewhere = this.#selector.preferred !== connection.mode;
    this.#planMove(mode?.spreadMs ?? 0, isElsewhere ? this.#pace.next() : 0);
  }

  #onFrame(connection: SessionConnection, frame: SessionFrame): void {
    if (this.#session?.connection === connection) this.#capabilities.frame(frame);
  }

  #onReconnect({ afterMs, reason, spreadMs }: ReconnectBody): void {
    // An attempt in progress replaces the session anyway, unless it is a probe.
    if (this.#attempt !== undefined && this.#attempt.purpose !== 'probe') return;
    const delayMs = this.#schedule.spread(afterMs, spreadMs);
    this.#options.logger.info('asked to reconnect', { reason, delayMs });
    if (this.#schedule.purpose === undefined) this.#nextGateway();
    this.#schedule.within('reconnect', delayMs);
  }

  #onModeChange(spreadMs: number): void {
    this.#selector.modeChanged(spreadMs);
    this.#session?.connection.pollEvery(this.#options.desired.setting.intervalMs);
    this.#schedule.dropModeChange();
    this.#planMove(spreadMs);
  }

  #planMove(spreadMs?: number, afterMs = 0): void {
    if (this.#session === undefined) return;
    this.#schedule.moveFrom(this.#session.connection.mode, spreadMs, afterMs);
    const isIdle = this.#attempt === undefined && this.#schedule.purpose === undefined;
    if (this.#isStale && isIdle) this.#schedule.set('renewal', 0);
  }

  #onEnd(connection: SessionConnection, end: ConnectionEnd): void {
    this.#closing.delete(connection);
    if (this.#closing.size === 0) this.#onAllClosed?.();
    if (this.#attempt?.connection === connection) this.#onAttemptFailed(this.#attempt.purpose, connection, end);
    else if (this.#session?.connection === connection) this.#onSessionEnd(this.#session, end);
  }

  #onAttemptFailed(purpose: Purpose, { mode }: SessionConnection, end: ConnectionEnd): void {
    this.#attempt = undefined;
    this.#isCrowded = gaveWay(end);
    // One that gave way to others never becomes a session.
    const mayBegin = (end.kind === 'closed' || end.kind === 'abandoned') && !this.#isCrowded;
    if (mayBegin) this.#failedAtMs = this.#options.clock.monotonic();
    this.#nextGateway();
    if (this.#stopping.signal.aborted) return;
    const isPathFault = this.#selector.attemptFailed(mode, end);
    if (purpose !== 'probe' || this.#session === undefined) return this.#afterEnd(purpose, end, { isPathFault });
    this.#options.logger.info('live is not available yet', {
      retryInMs: this.#selector.probeInMs,
      ...describeEnd(end),
    });
    if (!isPathFault && this.#policy.afterConnection(end).enrol) this.#options.credentials.setToken(undefined);
    this.#planMove();
  }

  #onSessionEnd({ connection, gateway, heldMs, readyAtMs }: ActiveSession, end: ConnectionEnd): void {
    this.#endSession(heldMs);
    const fields = { gateway, mode: connection.mode, heldMs: Math.round(heldMs), ...describeEnd(end) };
    this.#options.logger.info('session ended', fields);
    const isPathFault = this.#selector.sessionEnded(connection.mode, end);
    if (this.#stopping.signal.aborted) return;
    // The next session is being opened: that this one was superseded by it, or cut before, changes nothing.
    if (this.#attempt !== undefined) return;
    this.#nextGateway();
    // Another connection of this agent, which failed, may have superseded the session: a later one, or one that its gateway still kept.
    const isOwnMove = this.#connectedAtMs > readyAtMs || this.#options.clock.monotonic() - this.#failedAtMs < LATE_MS;
    // It explains one end. Two machines with one identity must not take each other's sessions at this pace.
    this.#failedAtMs = Number.NEGATIVE_INFINITY;
    this.#afterEnd('recovery', end, { isPathFault, isOwnMove });
  }

  #afterEnd(purpose: Purpose, end: ConnectionEnd, reasons: { isPathFault: boolean; isOwnMove?: boolean }): void {
    const reconnect = this.#policy.afterConnection(end, { ...reasons, isMove: this.#session !== undefined });
    if (reconnect.enrol) this.#options.credentials.setToken(undefined);
    this.#tryAgain(purpose, reconnect, end.kind === 'refused' ? end.refusal.detail : undefined);
  }

  #tryAgain(purpose: Purpose, { delayMs, level, why }: Reconnect, detail?: string): void {
    const fields = { why, retryInMs: Math.round(delayMs), ...(detail === undefined ? {} : { detail }) };
    this.#options.logger[level](this.#session === undefined ? 'no session' : 'session not moved yet', fields);
    if (this.#session === undefined) this.#schedule.set('recovery', delayMs);
    // The probe had no token, and getting one failed.
    else if (purpose === 'probe') this.#selector.postponeProbe(delayMs);
    else this.#schedule.set(purpose, delayMs);
    // The preferred mode may have changed meanwhile, so there may be nowhere to move.
    this.#planMove();
  }

  #leaveSession(why: string): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#endSession(session.heldMs);
    this.#selector.left(session.connection.mode);
    this.#close(session.connection, why);
  }

  #endSession(heldMs: number): void {
    this.#session = undefined;
    this.#schedule.dropProbe();
    this.#capabilities.ended();
    this.#policy.sessionHeld(heldMs);
  }

  #close(connection: SessionConnection, why: string): void {
    this.#closing.add(connection);
    connection.close('normal', why);
  }

  #nextGateway(): void {
    this.#gatewayIndex = (this.#gatewayIndex + 1) % this.#options.gateways.length;
  }
}

function gaveWay(end: ConnectionEnd): boolean {
  if (end.kind === 'closed') return end.code === CLOSE.overloaded.code;
  return end.kind === 'refused' && end.refusal.code === 'rate_limited';
}
