import { CLOSE, type CloseReason, type ModeBody, type SessionMode } from '@muster/protocol';
import type { Clock } from '@muster/runtime/program';
import type {
  ConnectionEnd,
  ConnectionEvents,
  ConnectionState,
  ConnectRequest,
  SessionConnection,
} from '../contract/session-connection.js';

/** What happens to a connection: it ends without a session, or it gets one that ends later. */
type Fate =
  | { readonly end: ConnectionEnd; readonly afterMs: number }
  | { readonly readyAfterMs: number; readonly holdsMs: number; readonly end: ConnectionEnd };

const refused = (status: number, code?: string, retryAfterMs?: number): ConnectionEnd => ({
  kind: 'refused',
  refusal: { status, ...(code !== undefined && { code }), ...(retryAfterMs !== undefined && { retryAfterMs }) },
});
const closed = (code: number): ConnectionEnd => ({ kind: 'closed', code, reason: '' });

const NO_SESSION: readonly ConnectionEnd[] = [
  { kind: 'failed', error: new Error('connect ECONNREFUSED') },
  { kind: 'abandoned', why: 'no_session_in_time' },
  refused(401),
  refused(403),
  refused(502),
  refused(401, 'token_expired'),
  refused(426, 'upgrade_required'),
  refused(429, 'rate_limited', 5_000),
  refused(503, 'gateway_full'),
  closed(1006),
  closed(CLOSE.helloTimeout.code),
];
/** After these the agent stays away, for an hour or for minutes. */
const REJECTED: readonly ConnectionEnd[] = [
  refused(403, 'revoked'),
  closed(CLOSE.duplicateIdentity.code),
  closed(CLOSE.helloInvalid.code),
];
const SESSION_ENDS: readonly ConnectionEnd[] = [
  ...[1006, 1006, 1000, ...Object.values(CLOSE).flatMap(({ code }) => (code < 4500 ? [code] : []))].map(closed),
  closed(CLOSE.superseded.code),
  { kind: 'abandoned', why: 'gateway_silent' },
];

/**
 * A gateway, and a network path to it, with random faults until `isHealthy` is set. The random numbers are given, so a
 * run can be repeated.
 */
export class FaultyGateway {
  isHealthy = false;
  /** When each connection was opened. */
  readonly begunAtMs: number[] = [];
  readonly #clock: Clock;
  readonly #random: () => number;
  readonly #open = new Set<FaultyConnection>();
  #epoch = 0;

  constructor(clock: Clock, random: () => number) {
    this.#clock = clock;
    this.#random = random;
  }

  /** The highest number of connections at one time, without those that are being closed. */
  readonly most = { ready: 0, unready: 0 };

  /** The states of all connections that are not being closed. */
  states(): ConnectionState[] {
    return [...this.#open].map(({ state }) => state);
  }

  #count(): void {
    const ready = this.states().filter((state) => state === 'ready').length;
    this.most.ready = Math.max(this.most.ready, ready);
    this.most.unready = Math.max(this.most.unready, this.#open.size - ready);
  }

  readonly connect = ({ mode }: ConnectRequest, events: ConnectionEvents): SessionConnection => {
    this.begunAtMs.push(this.#clock.monotonic());
    const connection = new FaultyConnection(mode, this.#clock, {
      ...events,
      onEnd: (end) => {
        this.#open.delete(connection);
        events.onEnd(end);
      },
    });
    this.#open.add(connection);
    this.#count();
    connection.onClose = () => this.#open.delete(connection);
    const fate = this.#fate(mode);
    if (!('readyAfterMs' in fate)) connection.later(fate.afterMs, () => connection.end(fate.end));
    else connection.later(fate.readyAfterMs, () => this.#ready(connection, events, fate.holdsMs, fate.end));
    return connection;
  };

  #ready(connection: FaultyConnection, events: ConnectionEvents, holdsMs: number, end: ConnectionEnd): void {
    connection.state = 'ready';
    const mode = this.#isLikely(0.5) ? this.#mode() : undefined;
    this.#epoch += 1;
    const welcome = { agentId: 'a', epoch: this.#epoch, heartbeatMs: 25_000, labels: {} };
    events.onReady({ ...welcome, ...(mode !== undefined && { mode }) });
    this.#count();
    if (this.isHealthy) return;
    connection.later(holdsMs, () => connection.end(end));
    connection.later(this.#random() * holdsMs * 2, () => events.onFrame({ kind: 'mode', ref: 0, body: this.#mode() }));
    connection.later(this.#random() * holdsMs * 2, () => {
      const spreadMs = Math.floor(this.#random() * 5_000);
      events.onFrame({ kind: 'reconnect', ref: 0, body: { afterMs: 0, spreadMs, reason: 'draining' } });
    });
  }

  #fate(mode: SessionMode): Fate {
    const latencyMs = 1 + this.#random() * (this.#isLikely(0.1) ? 15_000 : 50);
    if (this.isHealthy) return { readyAfterMs: latencyMs, holdsMs: Infinity, end: closed(1006) };
    if (this.#isLikely(0.01)) return { end: this.#one(REJECTED), afterMs: latencyMs };
    // For ten minutes at a time, one of the two transports mostly fails.
    const isBadTime = Math.floor(this.#clock.monotonic() / 600_000) % 2 === (mode === 'live' ? 0 : 1);
    if (this.#isLikely(isBadTime ? 0.9 : 0.3)) return { end: this.#one(NO_SESSION), afterMs: latencyMs };
    return { readyAfterMs: latencyMs, holdsMs: 120_000 * this.#random() ** 3, end: this.#one(SESSION_ENDS) };
  }

  #mode(): ModeBody {
    const one = (): SessionMode => (this.#isLikely(0.5) ? 'live' : 'poll');
    const body = { mode: one(), intervalMs: 60_000, reason: 'test', spreadMs: Math.floor(this.#random() * 3_000) };
    if (this.#isLikely(0.7)) return body;
    return {
      ...body,
      lease: { forMs: Math.floor(this.#random() * 300_000), next: { mode: one(), intervalMs: 60_000 } },
    };
  }

  #one<T>(list: readonly T[]): T {
    return list[Math.floor(this.#random() * list.length)] as T;
  }

  #isLikely(chance: number): boolean {
    return this.#random() < chance;
  }
}

class FaultyConnection implements SessionConnection {
  readonly mode: SessionMode;
  state: ConnectionState = 'connecting';
  readonly rttMs = undefined;
  readonly serverTimeMs = 1;
  readonly ends = [];
  onClose: () => void = () => {};
  readonly #clock: Clock;
  readonly #events: ConnectionEvents;
  #leaving: string | undefined;

  constructor(mode: SessionMode, clock: Clock, events: ConnectionEvents) {
    this.mode = mode;
    this.#clock = clock;
    this.#events = events;
  }

  /** Unless the connection has ended by then. */
  later(delayMs: number, run: () => void): void {
    if (delayMs === Infinity) return;
    this.#clock.setTimeout(() => {
      if (this.state !== 'closed' && this.#leaving === undefined) run();
    }, delayMs);
  }

  end(end: ConnectionEnd): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    this.#events.onEnd(end);
  }

  send(): 'sent' {
    return 'sent';
  }

  pollEvery(): void {}

  close(_reason: CloseReason, why: string): void {
    if (this.#leaving !== undefined) return;
    this.#leaving = why;
    this.onClose();
    this.#clock.setTimeout(() => this.end({ kind: 'abandoned', why }), 100);
  }
}
