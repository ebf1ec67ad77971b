import type { HelloBody, ModeBody, ReconnectBody, SessionMode, WelcomeBody } from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime/program';
import { ReconnectSchedule, type Purpose } from './reconnect-schedule.js';
import { TransportSelector } from './transport-selector.js';
import { type Comeback, ReconnectPolicy } from './reconnect-policy.js';
import type { Credentials } from './credentials.js';
import { describeEnd } from '../contract/describe-end.js';
import { ActiveSession } from './active-session.js';
import type { SessionFrame } from '../contract/server-frame.js';
import type { Connect, ConnectionEnd, NetworkEnd, SessionConnection } from '../contract/session-connection.js';
import type { SessionWork } from '../contract/session-work.js';
import type { DesiredMode } from '../capabilities/modes/assigned-mode.js';

/**
 *                    ┌────────────────── delay over ──────────────────────┐
 *                    ▼                                                    │
 *  idle ─start─▶ connecting ───WELCOME───▶ held ───closed───▶ waiting ────┘
 *                    │                     │  ▲                  ▲
 *                    └──refused, failed────┼──┼──────────────────┘
 *      RECONNECT, another channel, renewal │  │ WELCOME of the next session, then the old one is closed
 *                                          ▼  │
 *                                         moving (held, and the next session is being opened)
 *
 *  any ──stop──▶ stopped
 */
export type ConnectionManagerState = 'idle' | 'connecting' | 'held' | 'moving' | 'waiting' | 'stopped';

export interface ConnectionManagerOptions {
  /** Where gateways are; another one is tried after each failure. */
  readonly gateways: readonly string[];
  readonly connect: Connect;
  readonly wanted: DesiredMode;
  readonly credentials: Credentials;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: () => number;
  readonly createWork: (connection: SessionConnection) => readonly SessionWork[];
  /** Called at every WELCOME. */
  readonly onReady?: (welcome: WelcomeBody) => void;
}

interface Attempt {
  readonly connection: SessionConnection | undefined;
  readonly purpose: Purpose;
}

/** Keeps one session with a gateway, for as long as it runs: opens it, opens it again, moves it when asked to, over the channel that is to be used. */
export class ConnectionManager {
  readonly #options: ConnectionManagerOptions;
  readonly #policy: ReconnectPolicy;
  readonly #choice: TransportSelector;
  readonly #plan: ReconnectSchedule;
  readonly #stopping = new AbortController();
  readonly #closing = new Set<SessionConnection>();
  #gatewayIndex: number;
  #session: ActiveSession | undefined;
  #attempt: Attempt | undefined;
  #started = false;
  #connectedAtMs = Number.NEGATIVE_INFINITY;
  #epoch: number | undefined;
  /** What the attempt under way says in HELLO may be old. */
  #isStale = false;
  #idle: (() => void) | undefined;

  constructor(options: ConnectionManagerOptions) {
    this.#options = options;
    const { clock, gateways, random = Math.random, wanted } = options;
    this.#policy = new ReconnectPolicy(random);
    this.#choice = new TransportSelector({ wanted, clock, random });
    this.#plan = new ReconnectSchedule({
      clock,
      random,
      choice: this.#choice,
      run: (purpose) => void this.#open(purpose),
    });
    this.#gatewayIndex = Math.floor(random() * gateways.length);
  }

  get state(): ConnectionManagerState {
    if (this.#stopping.signal.aborted) return 'stopped';
    if (!this.#started) return 'idle';
    if (this.#session !== undefined) return this.#attempt === undefined ? 'held' : 'moving';
    return this.#attempt === undefined ? 'waiting' : 'connecting';
  }

  /** The channel of the session that there is. */
  get mode(): SessionMode | undefined {
    return this.#session?.connection.mode;
  }

  get rttMs(): number | undefined {
    return this.#session?.connection.rttMs;
  }

  /** Both ends of the connections that are open. */
  get ends(): readonly NetworkEnd[] {
    const open = [this.#session?.connection, this.#attempt?.connection, ...this.#closing];
    return open.flatMap((one) => one?.ends ?? []);
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    this.#options.wanted.start((spreadMs) => this.#onToldAnew(spreadMs));
    void this.#open('comeback');
  }

  /** What HELLO says has changed: opens another session, and then leaves the one that there is. */
  renew(): void {
    // Without a session the next HELLO says it anyway; one that is being sent may be too early to.
    if (this.#attempt !== undefined) this.#isStale = true;
    else if (this.#session !== undefined) this.#plan.set('renewal', 0);
  }

  /** Ends everything with an orderly close; resolves when no socket is left. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#options.wanted.stop();
    this.#plan.drop();
    this.#plan.dropRetry();
    const attempt = this.#attempt?.connection;
    this.#leaveSession('agent_stops');
    if (attempt !== undefined) this.#retire(attempt, 'agent_stops');
    if (this.#closing.size > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  async #open(purpose: Purpose): Promise<void> {
    if (this.#stopping.signal.aborted) return;
    if (this.#attempt !== undefined) {
      // Only an attempt to have Live back can be under way, which may fail.
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
    this.#comeBack(purpose, this.#policy.afterEnrolment(outcome), detail);
    return undefined;
  }

  #connect(token: string, purpose: Purpose): void {
    const { clock, connect, credentials, gateways, logger, wanted } = this.#options;
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
        intervalMs: wanted.setting.intervalMs,
        hello: (challenge) => ({ ...credentials.hello(challenge, token), ...this.#aboutSessions() }),
      },
      {
        onReady: (welcome) => this.#onReady(connection, gateway, welcome),
        onFrame: (frame) => this.#onFrame(connection, frame),
        onWritable: () => {
          if (this.#session?.connection === connection) this.#session.onWritable();
        },
        onEnd: (end) => this.#onEnd(connection, end),
      },
    );
    this.#attempt = { connection, purpose };
  }

  #modeFor(purpose: Purpose): SessionMode {
    if (purpose === 'retry') return 'live';
    return this.#session === undefined ? this.#choice.next : this.#choice.usual;
  }

  #aboutSessions(): Pick<HelloBody, 'replaces' | 'away'> {
    const { away } = this.#choice;
    return {
      ...(this.#epoch === undefined ? {} : { replaces: this.#epoch }),
      ...(away === undefined ? {} : { away }),
    };
  }

  #onReady(connection: SessionConnection, gateway: string, welcome: WelcomeBody): void {
    const { clock, createWork, credentials, logger, onReady } = this.#options;
    const { epoch, mode, token } = welcome;
    this.#attempt = undefined;
    this.#plan.drop();
    this.#epoch = epoch;
    if (token !== undefined) credentials.setToken(token);
    const moved = this.#session !== undefined;
    // The new session is there: only now the old one goes.
    this.#leaveSession('moved');
    this.#choice.ready(connection.mode);
    this.#session = new ActiveSession({ connection, gateway, clock, work: createWork(connection) });
    const fields = { gateway, mode: connection.mode, moved, epoch, tokenRenewed: token !== undefined };
    logger.info('session ready', fields);
    onReady?.(welcome);
    if (mode !== undefined) this.#options.wanted.tell(mode);
    if (mode?.mode === 'poll') this.#choice.toldAnew(0);
    connection.pollEvery(this.#options.wanted.setting.intervalMs);
    this.#planChannel(mode?.spreadMs ?? 0);
  }

  #onFrame(connection: SessionConnection, frame: SessionFrame): void {
    if (this.#session?.connection !== connection) return;
    if (frame.kind === 'reconnect') this.#onReconnect(frame.body);
    else if (frame.kind === 'mode') this.#onMode(frame.body);
    else this.#session.onFrame(frame);
  }

  #onReconnect({ afterMs, reason, spreadMs }: ReconnectBody): void {
    // Whoever is moving does what this asks for.
    if (this.#attempt !== undefined && this.#attempt.purpose !== 'retry') return;
    const delayMs = this.#plan.spread(afterMs, spreadMs);
    this.#options.logger.info('asked to reconnect', { reason, delayMs });
    if (this.#plan.purpose === undefined) this.#nextGateway();
    this.#plan.within('reconnect', delayMs);
  }

  #onMode(body: ModeBody): void {
    const { mode, intervalMs, reason, spreadMs } = body;
    this.#options.logger.info('told which channel to use', { mode, intervalMs, reason });
    this.#options.wanted.tell(body);
    this.#onToldAnew(spreadMs);
  }

  #onToldAnew(spreadMs: number): void {
    this.#choice.toldAnew(spreadMs);
    this.#session?.connection.pollEvery(this.#options.wanted.setting.intervalMs);
    this.#plan.dropChange();
    this.#planChannel(spreadMs);
  }

  #planChannel(spreadMs?: number): void {
    if (this.#session === undefined) return;
    this.#plan.bringFrom(this.#session.connection.mode, spreadMs);
    if (this.#isStale && this.#attempt === undefined && this.#plan.purpose === undefined) this.#plan.set('renewal', 0);
  }

  #onEnd(connection: SessionConnection, end: ConnectionEnd): void {
    this.#closing.delete(connection);
    if (this.#closing.size === 0) this.#idle?.();
    if (this.#attempt?.connection === connection) this.#onAttemptFailed(this.#attempt.purpose, connection, end);
    else if (this.#session?.connection === connection) this.#onSessionEnd(this.#session, end);
  }

  #onAttemptFailed(purpose: Purpose, { mode }: SessionConnection, end: ConnectionEnd): void {
    this.#attempt = undefined;
    this.#nextGateway();
    if (this.#stopping.signal.aborted) return;
    const onTheWay = this.#choice.attemptFailed(mode, end);
    if (purpose !== 'retry' || this.#session === undefined) return this.#afterEnd(purpose, end, { onTheWay });
    this.#options.logger.info('live cannot be had yet', { retryInMs: this.#choice.retryInMs, ...describeEnd(end) });
    if (!onTheWay && this.#policy.afterConnection(end).enrol) this.#options.credentials.setToken(undefined);
    this.#planChannel();
  }

  #onSessionEnd(session: ActiveSession, end: ConnectionEnd): void {
    const { logger } = this.#options;
    const { connection, gateway, heldMs, readyAtMs } = session;
    this.#session = undefined;
    this.#plan.dropRetry();
    session.end();
    this.#policy.sessionHeld(heldMs);
    logger.info('session ended', { gateway, mode: connection.mode, heldMs: Math.round(heldMs), ...describeEnd(end) });
    const onTheWay = this.#choice.sessionEnded(connection.mode, end);
    if (this.#stopping.signal.aborted) return;
    // The next session is on its way: being superseded by it, or cut off before it, changes nothing.
    if (this.#attempt !== undefined) return;
    this.#nextGateway();
    this.#afterEnd('comeback', end, { onTheWay, ownDoing: this.#connectedAtMs > readyAtMs });
  }

  /** `ownDoing`: a later connection of ours, which then failed, may be what superseded the session that ended. */
  #afterEnd(purpose: Purpose, end: ConnectionEnd, reasons: { onTheWay: boolean; ownDoing?: boolean }): void {
    const comeback = this.#policy.afterConnection(end, reasons);
    if (comeback.enrol) this.#options.credentials.setToken(undefined);
    this.#comeBack(purpose, comeback, end.kind === 'refused' ? end.refusal.detail : undefined);
  }

  #comeBack(purpose: Purpose, { delayMs, level, why }: Comeback, detail?: string): void {
    const fields = { why, retryInMs: Math.round(delayMs), ...(detail === undefined ? {} : { detail }) };
    this.#options.logger[level](this.#session === undefined ? 'no session' : 'session not moved yet', fields);
    if (this.#session === undefined) this.#plan.set('comeback', delayMs);
    // For want of a token, which was asked for first.
    else if (purpose === 'retry') this.#choice.postpone(delayMs);
    else this.#plan.set(purpose, delayMs);
    // Told otherwise meanwhile, or Live has failed once too often: there may be nowhere to move.
    this.#planChannel();
  }

  #leaveSession(why: string): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#session = undefined;
    this.#plan.dropRetry();
    this.#policy.sessionHeld(session.heldMs);
    this.#choice.left(session.connection.mode);
    session.end();
    this.#retire(session.connection, why);
  }

  #retire(connection: SessionConnection, why: string): void {
    this.#closing.add(connection);
    connection.close('normal', why);
  }

  #nextGateway(): void {
    this.#gatewayIndex = (this.#gatewayIndex + 1) % this.#options.gateways.length;
  }
}
