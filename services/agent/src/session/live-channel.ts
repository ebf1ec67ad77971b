import type { Agent } from 'node:http';
import type {
  ChallengeBody,
  CommandBody,
  CommandCancelBody,
  HelloBody,
  QueryBody,
  ReconnectBody,
  ReportKeptBody,
  WelcomeBody,
} from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime/program';
import type { EnrolOutcome } from '../identity/enrol.js';
import { type Comeback, ComebackPolicy } from './comeback.js';
import { Connection, type ConnectionEnd, type NetworkEnd } from './connection.js';

/**
 *                    ┌────────────────── delay over ──────────────────────┐
 *                    ▼                                                    │
 *  idle ─start─▶ connecting ───WELCOME───▶ live ───closed───▶ waiting ────┘
 *                    │                     │  ▲                  ▲
 *                    └──refused, failed────┼──┼──────────────────┘
 *                                RECONNECT │  │ WELCOME of the next session, then the old one is closed
 *                                          ▼  │
 *                                         moving (live, and the next session is being opened)
 *
 *  any ──stop──▶ stopped
 */
export type ChannelState = 'idle' | 'connecting' | 'live' | 'moving' | 'waiting' | 'stopped';

/** The agent's identity, as far as a session needs it. */
export interface Credentials {
  token(): string | undefined;
  /** The gateway's next token, or `undefined` when the one we have is refused. */
  setToken(token: string | undefined): void;
  enrol(signal: AbortSignal): Promise<EnrolOutcome>;
  hello(challenge: ChallengeBody, token: string): HelloBody;
}

/** What lives with one session: made when it is ready, ended with it. Each kind of work hears of the frames that it has a method for. */
export interface SessionWork {
  onQuery?(ref: number, body: QueryBody): void;
  onCancel?(ref: number): void;
  onCredit?(ref: number, bytes: number): void;
  onCommand?(body: CommandBody): void;
  onCommandCancel?(body: CommandCancelBody): void;
  onReportKept?(body: ReportKeptBody): void;
  onWritable(): void;
  end(): void;
}

export interface LiveChannelOptions {
  /** Gateways' live URLs; another one is tried after each failure. */
  readonly urls: readonly string[];
  readonly ca?: string | undefined;
  /** What opens the connection to a URL; none where it is opened directly. */
  readonly agentFor?: (url: string) => Agent | undefined;
  readonly credentials: Credentials;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random?: () => number;
  readonly createWork: (connection: Connection) => readonly SessionWork[];
  /** Called at every WELCOME. */
  readonly onReady?: (welcome: WelcomeBody) => void;
}

interface Session {
  readonly connection: Connection;
  readonly url: string;
  readonly readyAtMs: number;
  readonly work: readonly SessionWork[];
}

/** No gateway plans a move further ahead; timers hold no more than 24 days. */
const MAX_RECONNECT_DELAY_MS = 24 * 3_600_000;

/** Keeps one session with a gateway, for as long as it runs: opens it, opens it again, moves it when asked to. */
export class LiveChannel {
  readonly #options: LiveChannelOptions;
  readonly #random: () => number;
  readonly #policy: ComebackPolicy;
  readonly #stopping = new AbortController();
  readonly #closing = new Set<Connection>();
  #urlIndex: number;
  #session: Session | undefined;
  #attempt: Connection | 'enrolling' | undefined;
  #timer: Timer | undefined;
  #started = false;
  #connectedAtMs = Number.NEGATIVE_INFINITY;
  /** What the attempt under way says in HELLO may be old. */
  #isStale = false;
  #idle: (() => void) | undefined;

  constructor(options: LiveChannelOptions) {
    this.#options = options;
    this.#random = options.random ?? Math.random;
    this.#policy = new ComebackPolicy(this.#random);
    this.#urlIndex = Math.floor(this.#random() * options.urls.length);
  }

  get state(): ChannelState {
    if (this.#stopping.signal.aborted) return 'stopped';
    if (!this.#started) return 'idle';
    if (this.#session !== undefined) return this.#attempt === undefined ? 'live' : 'moving';
    return this.#attempt === undefined ? 'waiting' : 'connecting';
  }

  get rttMs(): number | undefined {
    return this.#session?.connection.rttMs;
  }

  /** Both ends of the connections that are open. */
  get ends(): readonly NetworkEnd[] {
    const open = [this.#session?.connection, this.#attempt, ...this.#closing];
    return open.flatMap((one) => (one instanceof Connection ? one.ends : []));
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    void this.#open();
  }

  /** What HELLO says has changed: opens another session, and then leaves the one that there is. */
  renew(): void {
    // Without a session the next HELLO says it anyway; one that is being sent may be too early to.
    if (this.#attempt !== undefined) this.#isStale = true;
    else if (this.#session !== undefined) this.#openAfter(0);
  }

  /** Ends everything with an orderly close; resolves when no socket is left. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#options.clock.clear(this.#timer);
    const attempt = this.#attempt instanceof Connection ? this.#attempt : undefined;
    this.#endSession('agent_stops');
    if (attempt !== undefined) this.#retire(attempt, 'agent_stops');
    if (this.#closing.size > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
  }

  async #open(): Promise<void> {
    if (this.#stopping.signal.aborted || this.#attempt !== undefined) return;
    const token = this.#options.credentials.token() ?? (await this.#enrol());
    if (token === undefined || this.#stopping.signal.aborted) return;
    this.#connect(token);
  }

  async #enrol(): Promise<string | undefined> {
    const { credentials, log } = this.#options;
    this.#attempt = 'enrolling';
    const outcome = await credentials.enrol(this.#stopping.signal);
    this.#attempt = undefined;
    if (this.#stopping.signal.aborted) return undefined;
    switch (outcome.kind) {
      case 'enrolled':
        log.info('enrolled', { agentId: outcome.agentId, num: outcome.num });
        return outcome.token;
      case 'refused':
        this.#schedule(this.#policy.afterRefusal(outcome.refusal, 'enrol'), outcome.refusal.detail);
        return undefined;
      case 'failed':
        this.#nextUrl();
        this.#schedule(this.#policy.afterFailedEnrolment(outcome.error));
        return undefined;
    }
  }

  #connect(token: string): void {
    const { ca, clock, credentials, log, urls } = this.#options;
    const url = urls[this.#urlIndex] ?? '';
    log.debug('connecting', { url });
    this.#isStale = false;
    this.#connectedAtMs = clock.monotonic();
    const connection: Connection = new Connection(
      {
        url,
        token,
        ca,
        agent: this.#options.agentFor?.(url),
        clock,
        log,
        random: this.#random,
        hello: (challenge) => credentials.hello(challenge, token),
      },
      {
        onReady: (welcome) => this.#onReady(connection, url, welcome),
        onQuery: (ref, body) => this.#tell(connection, (work) => work.onQuery?.(ref, body)),
        onCancel: (ref) => this.#tell(connection, (work) => work.onCancel?.(ref)),
        onCredit: (ref, bytes) => this.#tell(connection, (work) => work.onCredit?.(ref, bytes)),
        onCommand: (body) => this.#tell(connection, (work) => work.onCommand?.(body)),
        onCommandCancel: (body) => this.#tell(connection, (work) => work.onCommandCancel?.(body)),
        onReportKept: (body) => this.#tell(connection, (work) => work.onReportKept?.(body)),
        onWritable: () => this.#tell(connection, (work) => work.onWritable()),
        onReconnect: (body) => this.#onReconnect(connection, body),
        onEnd: (end) => this.#onEnd(connection, end),
      },
    );
    this.#attempt = connection;
  }

  #tell(connection: Connection, tell: (work: SessionWork) => void): void {
    if (this.#session?.connection === connection) for (const work of this.#session.work) tell(work);
  }

  #onReady(connection: Connection, url: string, welcome: WelcomeBody): void {
    const { clock, createWork, credentials, log, onReady } = this.#options;
    this.#attempt = undefined;
    clock.clear(this.#timer);
    this.#timer = undefined;
    if (welcome.token !== undefined) credentials.setToken(welcome.token);
    const moved = this.#session !== undefined;
    // The new session is there: only now the old one goes.
    this.#endSession('moved');
    this.#session = { connection, url, readyAtMs: clock.monotonic(), work: createWork(connection) };
    log.info('session ready', { url, moved, epoch: welcome.epoch, tokenRenewed: welcome.token !== undefined });
    onReady?.(welcome);
    if (this.#isStale) this.#openAfter(0);
  }

  #onReconnect(connection: Connection, { afterMs, reason, spreadMs }: ReconnectBody): void {
    if (this.#session?.connection !== connection || this.#attempt !== undefined || this.#timer !== undefined) return;
    const delayMs = Math.min(afterMs + Math.floor(this.#random() * spreadMs), MAX_RECONNECT_DELAY_MS);
    this.#options.log.info('asked to reconnect', { reason, delayMs });
    this.#nextUrl();
    this.#openAfter(delayMs);
  }

  #onEnd(connection: Connection, end: ConnectionEnd): void {
    this.#closing.delete(connection);
    if (this.#closing.size === 0) this.#idle?.();
    if (this.#attempt === connection) {
      this.#attempt = undefined;
      this.#nextUrl();
      if (!this.#stopping.signal.aborted) this.#comeBack(end);
    } else if (this.#session?.connection === connection) {
      this.#onSessionEnd(this.#session, end);
    }
  }

  #onSessionEnd(session: Session, end: ConnectionEnd): void {
    const { clock, log } = this.#options;
    this.#session = undefined;
    for (const work of session.work) work.end();
    const heldMs = clock.monotonic() - session.readyAtMs;
    this.#policy.sessionHeld(heldMs);
    log.info('session ended', { url: session.url, heldMs: Math.round(heldMs), ...describeEnd(end) });
    if (this.#stopping.signal.aborted) return;
    // The next session is on its way: being superseded by it, or cut off before it, changes nothing.
    if (this.#attempt !== undefined) return;
    this.#nextUrl();
    this.#comeBack(end, this.#connectedAtMs > session.readyAtMs);
  }

  /** `ownDoing`: a later connection of ours, which then failed, may be what superseded the session that ended. */
  #comeBack(end: ConnectionEnd, ownDoing = false): void {
    const comeback = this.#policy.afterConnection(end, { ownDoing });
    if (comeback.enrol) this.#options.credentials.setToken(undefined);
    this.#schedule(comeback, end.kind === 'refused' ? end.refusal.detail : undefined);
  }

  #schedule({ delayMs, level, why }: Comeback, detail?: string): void {
    const fields = { why, retryInMs: delayMs, ...(detail === undefined ? {} : { detail }) };
    this.#options.log[level]('no session', fields);
    this.#openAfter(delayMs);
  }

  #openAfter(delayMs: number): void {
    const { clock } = this.#options;
    clock.clear(this.#timer);
    this.#timer = clock.setTimeout(() => {
      this.#timer = undefined;
      void this.#open();
    }, delayMs);
  }

  #endSession(why: string): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#session = undefined;
    this.#policy.sessionHeld(this.#options.clock.monotonic() - session.readyAtMs);
    for (const work of session.work) work.end();
    this.#retire(session.connection, why);
  }

  #retire(connection: Connection, why: string): void {
    this.#closing.add(connection);
    connection.close('normal', why);
  }

  #nextUrl(): void {
    this.#urlIndex = (this.#urlIndex + 1) % this.#options.urls.length;
  }
}

function describeEnd(end: ConnectionEnd): Record<string, unknown> {
  switch (end.kind) {
    case 'closed':
      return { code: end.code, reason: end.reason };
    case 'abandoned':
      return { why: end.why };
    case 'refused':
      return { status: end.refusal.status };
    case 'failed':
      return { err: end.error };
  }
}
