import type { PollReply, PollRequest } from '@muster/messages';
import {
  decodeBatch,
  BATCH_ENTRY_BYTES,
  CLOSE,
  FLAG_FINAL,
  FRAME,
  LIMITS,
  POLL_SESSION_HEADER,
  type BatchedFrame,
  type CloseReason,
  type GatewayId,
} from '@muster/protocol';
import { sleep, type Clock, type Timer } from '@muster/runtime';
import type { AdmissionControl } from '../../sessions/admission/admission-control.js';
import { problemReply } from '../transport/replies.js';
import type { SessionManager } from '../../sessions/session-manager.js';
import type { FrameTraffic } from '../../traffic/frame-traffic.js';
import type { HttpReply, HttpRequest } from '../transport/transport.js';
import { EndedSessions } from './ended-sessions.js';
import { OVERFLOW, PollConnection, type OrderMemory } from './poll-connection.js';
import { openedReply, pollReply, readPoll } from './poll-http.js';
import type { PollMetrics } from './poll-metrics.js';
import type { PollRelay, PollUnavailable } from './poll-relay.js';
import type { SessionNames } from './session-names.js';

export const POLL_PATH = '/v1/poll';
const METHODS = ['GET', 'POST', 'DELETE'];

export interface PollHandlerOptions {
  readonly names: SessionNames;
  readonly admission: Pick<AdmissionControl, 'admitPoll'>;
  readonly frontDesk: Pick<
    SessionManager,
    'opened' | 'received' | 'closed' | 'endConnection' | 'isOpening' | 'intervalOf'
  >;
  readonly relay: Pick<PollRelay, 'pass'>;
  readonly clock: Clock;
  readonly metrics: PollMetrics;
  readonly traffic: Pick<FrameTraffic, 'poll'>;
  readonly gatewayId: () => GatewayId;
  readonly checkLease: () => void;
}

/** A hello is answered when the session is ready, which takes a look into the registry. */
const HELLO_WAIT_MS = 10_000;
/** Confirmations and credit come within milliseconds: better in this reply than in one more poll. */
const ANSWER_WAIT_MS = 150;
/** The mailbox of a session that has just become ready is emptied soon, and what was not confirmed yet is. */
const SOON_MS = 1_000;
const SWEEP_MS = 5_000;
/** Orders that wait for agents to come for them, all together. */
const ORDER_BYTES = 256 * 1024 * 1024;
/** Sessions of other gateways that may be asked for in one sweep. */
const MAX_FOREIGN = 50_000;
/** Requests of one session in one sweep. An agent that streams a large answer makes some tens a second. */
const MAX_REQUESTS = 1_000;

/**
 * The edge for agents that poll: turns their requests into connections, so that everything behind it, from admission to queries, knows no
 * difference. Any gateway takes any request, and passes those on that belong to a session of another one.
 */
export class PollHandler {
  readonly #options: PollHandlerOptions;
  readonly #connections = new Map<string, PollConnection>();
  readonly #ended: EndedSessions;
  /** Requests since the last sweep for sessions that others hold. */
  readonly #foreign = new Map<string, number>();
  #orderBytes = 0;
  #timer: Timer | undefined;

  constructor(options: PollHandlerOptions) {
    this.#options = options;
    this.#ended = new EndedSessions(options.clock);
  }

  get sessions(): number {
    return this.#connections.size;
  }

  start(): void {
    this.#timer = this.#options.clock.setInterval(() => this.#sweep(), SWEEP_MS);
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
  }

  async handle(request: HttpRequest): Promise<HttpReply> {
    const name = request.headers[POLL_SESSION_HEADER];
    if (!METHODS.includes(request.method))
      return problemReply('method_not_allowed', 'poll with GET and POST, and leave with DELETE', {
        allow: METHODS.join(', '),
      });
    if (name === undefined && request.method !== 'POST')
      return problemReply('bad_request', 'name the session in Muster-Session, or open one with POST');
    if (name === undefined) return this.#open(request);
    // Before anything is read of it: a name that nobody made is worth no work.
    const holder = this.#options.names.gatewayOf(name);
    if (holder === undefined) {
      this.#options.metrics.pollRequests.inc({ result: 'forged' });
      return pollReply(request, { kind: 'unknown' });
    }
    const read = await readPoll(request, name);
    if (!read.ok) {
      this.#options.metrics.pollRequests.inc({ result: read.result });
      return read.reply;
    }
    return pollReply(request, await this.#take(holder, read.request));
  }

  /** What another gateway passed on, because the session is held here. */
  relayed(request: PollRequest): Promise<PollReply> {
    return this.#within(request);
  }

  /** The connection was closed from this side; its agent hears why when it comes. */
  #closed(connection: PollConnection): void {
    if (this.#connections.get(connection.name) !== connection) return;
    this.#connections.delete(connection.name);
    this.#ended.note(connection.name, connection.end ?? GONE);
  }

  async #open(request: HttpRequest): Promise<HttpReply> {
    const { names, admission, frontDesk, clock, gatewayId, traffic } = this.#options;
    if (request.body.length > 0) return problemReply('bad_request', 'a session is opened with an empty body');
    const { authorization, origin } = request.headers;
    const decision = admission.admitPoll({ address: request.address, authorization, origin });
    if (decision.kind === 'refuse') return decision.reply;
    const connection: PollConnection = new PollConnection({
      name: names.make(gatewayId()),
      address: request.address,
      openedAtMs: clock.monotonic(),
      now: () => clock.monotonic(),
      traffic: traffic.poll,
      orderMemory: this.#orderMemory,
      // Whoever sends is in the middle of something; the session ends behind it.
      onOverflow: () => setImmediate(() => this.#drop(connection)),
      onClosed: () => this.#closed(connection),
    });
    this.#connections.set(connection.name, connection);
    frontDesk.opened(connection, decision.ticket);
    return openedReply(request, connection.name, connection.fetch());
  }

  #drop(connection: PollConnection): void {
    connection.close(OVERFLOW.code, 'slowConsumer');
    this.#options.frontDesk.closed(connection, OVERFLOW.code);
  }

  async #take(holder: GatewayId, request: PollRequest): Promise<PollReply | PollUnavailable> {
    const { gatewayId, relay } = this.#options;
    const { session } = request;
    const isHere = this.#connections.has(session) || this.#ended.of(session) !== undefined;
    if (isHere || holder === gatewayId()) return this.#within(request);
    if (!this.#mayPass(session)) return { kind: 'unavailable' };
    const reply = await relay.pass(holder, request);
    // A name is good for ever, but who goes on with one that is over costs the other gateways nothing.
    if (reply.kind === 'ended') this.#ended.note(session, reply);
    if (reply.kind === 'unknown') this.#ended.note(session, GONE);
    return reply;
  }

  /** The holder counts what reaches it; what does not is counted here. */
  #mayPass(session: string): boolean {
    const requests = this.#foreign.get(session) ?? 0;
    if (requests > MAX_REQUESTS || (requests === 0 && this.#foreign.size >= MAX_FOREIGN)) return false;
    this.#foreign.set(session, requests + 1);
    return true;
  }

  readonly #orderMemory: OrderMemory = {
    take: (bytes) => {
      if (this.#orderBytes + bytes > ORDER_BYTES) return false;
      this.#orderBytes += bytes;
      return true;
    },
    give: (bytes) => {
      this.#orderBytes -= bytes;
    },
  };

  async #within(request: PollRequest): Promise<PollReply> {
    const { frontDesk, clock, checkLease, metrics } = this.#options;
    // A gateway that stood still finds out before it believes anything.
    checkLease();
    const connection = this.#connections.get(request.session);
    if (connection === undefined) {
      metrics.pollRequests.inc({ result: 'ended' });
      const end = this.#ended.of(request.session);
      return end === undefined ? { kind: 'unknown' } : { kind: 'ended', ...end };
    }
    metrics.pollRequests.inc({ result: 'taken' });
    connection.quietMs = 0;
    connection.requests += 1;
    if (connection.requests > MAX_REQUESTS) return this.#refuse(connection, 'overloaded', 'too many requests');
    if (request.end === true) {
      connection.close(CLOSE.normal.code, 'normal');
      frontDesk.closed(connection, CLOSE.normal.code);
      return { kind: 'frames', upTo: request.have, batch: new Uint8Array() };
    }
    if (!connection.receipt(request.have)) {
      return this.#refuse(connection, 'protocolError', 'a receipt for a frame that was never given');
    }
    const { said } = connection;
    const frames = request.batch === undefined ? [] : decodeBatch(request.batch);
    const fault = this.#receive(connection, request, frames);
    if (fault !== undefined) return this.#refuse(connection, 'protocolError', fault);
    const wasOpening = frontDesk.isOpening(connection);
    const isAnswered = wasOpening || expectsAnswer(frames ?? []);
    if (isAnswered) await this.#answered(connection, said, wasOpening ? HELLO_WAIT_MS : ANSWER_WAIT_MS);
    if (connection.end !== undefined) return { kind: 'ended', ...connection.end };
    const { hasMore, ...reply } = connection.fetch();
    const soonMs = hasMore ? 0 : isAnswered ? SOON_MS : undefined;
    const intervalMs = frontDesk.intervalOf(connection);
    connection.expect(clock.monotonic(), soonMs ?? intervalMs, intervalMs);
    return soonMs === undefined || soonMs >= intervalMs ? reply : { ...reply, comeBackMs: soonMs };
  }

  /** Hands frames on, once however often they come; returns what is wrong with the request. */
  #receive(
    connection: PollConnection,
    { seq }: PollRequest,
    frames: readonly BatchedFrame[] | undefined,
  ): string | undefined {
    if (seq === undefined || seq === connection.seq) return undefined;
    if (seq !== connection.seq + 1) return `request ${seq} after ${connection.seq}`;
    connection.seq = seq;
    if (frames === undefined) return 'not a batch of frames';
    const { frontDesk, traffic } = this.#options;
    for (const { frame } of frames) {
      if (connection.end !== undefined) break;
      traffic.poll.received(frame, BATCH_ENTRY_BYTES);
      frontDesk.received(connection, frame, true);
    }
    return undefined;
  }

  async #answered(connection: PollConnection, said: number, withinMs: number): Promise<void> {
    const enough = new AbortController();
    const late = sleep(this.#options.clock, withinMs, enough.signal).then(() => enough.abort());
    await connection.spoken(said, enough.signal);
    enough.abort();
    await late;
  }

  #refuse(connection: PollConnection, reason: CloseReason, detail: string): PollReply {
    this.#options.frontDesk.endConnection(connection, reason, detail);
    return { kind: 'ended', ...(connection.end ?? { code: CLOSE[reason].code, reason }) };
  }

  /** Ends the sessions whose agents do not come any more. Silence is counted in sweeps: a process that stood still counts one. */
  #sweep(): void {
    const { frontDesk } = this.#options;
    for (const connection of this.#connections.values()) {
      connection.requests = 0;
      connection.quietMs += SWEEP_MS;
      const mayMs = 2 * Math.max(connection.waitMs, frontDesk.intervalOf(connection)) + LIMITS.pollSilenceMs;
      if (connection.quietMs > mayMs) frontDesk.endConnection(connection, 'silent', 'the agent did not come');
    }
    this.#ended.sweep();
    this.#foreign.clear();
  }
}

const GONE = { code: CLOSE.goingAway.code, reason: 'goingAway' };

/** Whether something is said to it soon: WELCOME and what waits, the receipt of a report, credit for an answer that is not whole. */
function expectsAnswer(frames: readonly BatchedFrame[]): boolean {
  return frames.some(({ frame }) => {
    const type = frame[0];
    return type === FRAME.hello || type === FRAME.report || (type === FRAME.rows && frame[1] !== FLAG_FINAL);
  });
}
