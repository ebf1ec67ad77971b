import type { Bus } from '@muster/bus';
import type { PollReply, PollRequest } from '@muster/messages';
import {
  decodeBatch,
  BATCH_ENTRY_BYTES,
  CLOSE,
  CONNECT_PROOF_HEADER,
  FLAG_FINAL,
  FRAME,
  LIMITS,
  POLL_SESSION_HEADER,
  type BatchedFrame,
  type CloseReason,
  type GatewayId,
} from '@muster/protocol';
import type { Registry } from '@muster/registry';
import { sleep, type Clock, type Logger, type Metrics, type Timer } from '@muster/runtime';
import type { GatewayIdentity } from '../../foundation/gateway-identity.js';
import type { AdmissionControl } from '../../sessions/admission/admission-control.js';
import type { SessionManager } from '../../sessions/session-manager.js';
import type { ChannelTraffic } from '../../traffic/frame-traffic.js';
import { browserReply, denialReply } from '../http/denials.js';
import type { HttpReply, HttpRequest } from '../http/http-message.js';
import { bearerOf, problemReply } from '../http/replies.js';
import { EndedSessions } from './ended-sessions.js';
import { CommandMemory, PollConnection } from './poll-connection.js';
import { openedReply, pollReply, readPoll } from './poll-http.js';
import { createPollMetrics, type PollMetrics } from './poll-metrics.js';
import { PollRelay, type PollUnavailable } from './poll-relay.js';
import { sessionKey, type SessionNames } from './session-names.js';

export const POLL_PATH = '/v1/poll';
const METHODS = ['GET', 'POST', 'DELETE'];

export interface PollHandlerOptions {
  readonly names: SessionNames;
  readonly admission: AdmissionControl;
  readonly sessions: Pick<SessionManager, 'opened' | 'received' | 'closed' | 'endConnection' | 'isOpening'>;
  readonly bus: Bus;
  readonly registry: Pick<Registry, 'gateways'>;
  readonly identity: GatewayIdentity;
  readonly traffic: ChannelTraffic;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** The reply to a hello waits until the session is ready, which takes a call to the registry. */
const HELLO_WAIT_MS = 10_000;
/** Acknowledgements and credit come within milliseconds: better in this reply than in one more poll. */
const ANSWER_WAIT_MS = 150;
/** A session that has just become ready soon gets its pending deliveries, and an agent that reported soon gets its acknowledgement. */
const SOON_MS = 1_000;
const SWEEP_MS = 5_000;
/** COMMAND frames that wait for agents to fetch them, all together. */
const COMMAND_BYTES = 256 * 1024 * 1024;
/** Sessions of other gateways that may be asked for in one sweep. */
const MAX_FOREIGN = 50_000;
/** Requests of one session in one sweep. An agent that streams a large answer makes some tens a second. */
const MAX_REQUESTS = 1_000;

/**
 * The transport for agents that poll: turns their requests into connections, so that everything behind it, from admission to queries,
 * knows no difference. Any gateway takes any request, and passes those on that belong to a session of another one.
 *
 *     request ──no session──▶ admission ──▶ a new connection
 *        └──session──▶ held elsewhere ──▶ relay
 *             └──▶ held here ──frames──▶ session manager ──frames that wait──▶ reply
 */
export class PollHandler {
  readonly #options: PollHandlerOptions;
  readonly #metrics: PollMetrics;
  readonly #relay: PollRelay;
  readonly #connections = new Map<string, PollConnection>();
  readonly #ended: EndedSessions;
  /** Requests since the last sweep for sessions that others hold. */
  readonly #foreign = new Map<string, number>();
  readonly #commandMemory = new CommandMemory(COMMAND_BYTES);
  #timer: Timer | undefined;

  constructor(options: PollHandlerOptions) {
    this.#options = options;
    this.#metrics = createPollMetrics(options.metrics);
    this.#relay = new PollRelay({ ...options, metrics: this.#metrics });
    this.#ended = new EndedSessions(options.clock);
  }

  start(): void {
    this.#relay.start((request) => this.#within({ ...request, session: sessionKey(request.session) }));
    this.#timer = this.#options.clock.setInterval(() => this.#sweep(), SWEEP_MS);
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
    this.#relay.stop();
  }

  async handle(request: HttpRequest): Promise<HttpReply> {
    const { names } = this.#options;
    const name = request.headers[POLL_SESSION_HEADER];
    if (!METHODS.includes(request.method))
      return problemReply('method_not_allowed', 'poll with GET and POST, and leave with DELETE', {
        allow: METHODS.join(', '),
      });
    if (name === undefined && request.method !== 'POST')
      return problemReply('bad_request', 'name the session in Muster-Session, or open one with POST');
    if (name === undefined) return this.#open(request);
    // Before the body is read: a name that no gateway made is worth no work.
    const holder = names.gatewayOf(name);
    if (holder === undefined) {
      this.#metrics.requests.inc({ result: 'forged' });
      return pollReply(request, { kind: 'unknown' });
    }
    const read = await readPoll(request, sessionKey(name));
    if (!read.ok) {
      this.#metrics.requests.inc({ result: read.result });
      return read.reply;
    }
    return pollReply(request, await this.#take(holder, read.request, name));
  }

  async #open(request: HttpRequest): Promise<HttpReply> {
    const { names, admission, sessions, clock, identity, traffic } = this.#options;
    const { address, body, headers } = request;
    if (body.length > 0) return problemReply('bad_request', 'a session is opened with an empty body');
    const browser = browserReply(headers.origin);
    if (browser !== undefined) {
      this.#metrics.openings.inc({ result: 'origin' });
      return browser;
    }
    const proof = headers[CONNECT_PROOF_HEADER];
    const decision = admission.decide({ mode: 'poll', address, token: bearerOf(headers.authorization), proof });
    this.#metrics.openings.inc({ result: decision.kind === 'deny' ? decision.result : 'accepted' });
    if (decision.kind === 'deny') return denialReply(decision);
    const name = names.make(identity.id);
    const connection: PollConnection = new PollConnection({
      session: sessionKey(name),
      ...{ address, clock, traffic, commandMemory: this.#commandMemory },
      // The sender is in the middle of something; the session ends after it.
      onOverflow: () => setImmediate(() => this.#drop(connection)),
      onClosed: () => this.#closed(connection),
    });
    this.#connections.set(connection.session, connection);
    sessions.opened(connection, decision.context);
    return openedReply(request, name, connection.fetch());
  }

  /** The connection was closed from this side; its agent gets the reason at its next poll. */
  #closed(connection: PollConnection): void {
    if (this.#connections.get(connection.session) !== connection) return;
    this.#connections.delete(connection.session);
    this.#ended.note(connection.session, connection.end ?? GONE);
  }

  #drop(connection: PollConnection): void {
    connection.close(CLOSE.slowConsumer.code, 'slowConsumer');
    this.#options.sessions.closed(connection, CLOSE.slowConsumer.code);
  }

  async #take(holder: GatewayId, request: PollRequest, name: string): Promise<PollReply | PollUnavailable> {
    const { session } = request;
    const isHere = this.#connections.has(session) || this.#ended.of(session) !== undefined;
    if (isHere || holder === this.#options.identity.id) return this.#within(request);
    if (!this.#mayPass(session)) return { kind: 'unavailable' };
    const reply = await this.#relay.pass(holder, request, name);
    // A name never expires, but an agent that goes on with a session that is over costs the other gateways nothing.
    if (reply.kind === 'ended') this.#ended.note(session, reply);
    if (reply.kind === 'unknown') this.#ended.note(session, GONE);
    return reply;
  }

  /** The holder counts the requests that reach it; those that do not are counted here. */
  #mayPass(session: string): boolean {
    const requests = this.#foreign.get(session) ?? 0;
    if (requests > MAX_REQUESTS || (requests === 0 && this.#foreign.size >= MAX_FOREIGN)) return false;
    this.#foreign.set(session, requests + 1);
    return true;
  }

  /** Takes a poll in a session that is held here, whichever gateway it came to. */
  async #within(request: PollRequest): Promise<PollReply> {
    const { sessions, identity } = this.#options;
    // A gateway that stood still finds out before it believes anything.
    identity.checkLease();
    const connection = this.#connections.get(request.session);
    if (connection === undefined) {
      this.#metrics.requests.inc({ result: 'ended' });
      const end = this.#ended.of(request.session);
      return end === undefined ? { kind: 'unknown', byHash: true } : { kind: 'ended', ...end };
    }
    this.#metrics.requests.inc({ result: 'taken' });
    connection.quietMs = 0;
    connection.requests += 1;
    if (connection.requests > MAX_REQUESTS) return this.#refuse(connection, 'overloaded', 'too many requests');
    if (request.end === true) {
      connection.close(CLOSE.normal.code, 'normal');
      sessions.closed(connection, CLOSE.normal.code);
      return { kind: 'frames', upTo: request.have, batch: new Uint8Array() };
    }
    if (!connection.acknowledge(request.have)) {
      return this.#refuse(connection, 'protocolError', 'a receipt for a frame that was never given');
    }
    return this.#exchange(connection, request);
  }

  /** Hands the agent's frames on, waits for what answers them, and makes the reply. */
  async #exchange(connection: PollConnection, request: PollRequest): Promise<PollReply> {
    const { sessions } = this.#options;
    const sentBefore = connection.sent;
    const frames = request.batch === undefined ? [] : decodeBatch(request.batch);
    const fault = this.#receive(connection, request, frames);
    if (fault !== undefined) return this.#refuse(connection, 'protocolError', fault);
    const wasOpening = sessions.isOpening(connection);
    const isAnswered = wasOpening || expectsAnswer(frames ?? []);
    if (isAnswered) await this.#answered(connection, sentBefore, wasOpening ? HELLO_WAIT_MS : ANSWER_WAIT_MS);
    if (connection.end !== undefined) return { kind: 'ended', ...connection.end };
    const { hasMore, ...reply } = connection.fetch();
    const soonMs = hasMore ? 0 : isAnswered ? SOON_MS : undefined;
    const { intervalMs } = connection;
    connection.expectIn(soonMs ?? intervalMs);
    return soonMs === undefined || soonMs >= intervalMs ? reply : { ...reply, comeBackMs: soonMs };
  }

  /** Hands frames on, once however often they come. Returns what is wrong with the request, if anything is. */
  #receive(
    connection: PollConnection,
    { seq }: PollRequest,
    frames: readonly BatchedFrame[] | undefined,
  ): string | undefined {
    if (seq === undefined || seq === connection.seq) return undefined;
    if (seq !== connection.seq + 1) return `request ${seq} after ${connection.seq}`;
    connection.seq = seq;
    if (frames === undefined) return 'not a batch of frames';
    const { sessions, traffic } = this.#options;
    for (const { frame, ageMs } of frames) {
      if (connection.end !== undefined) break;
      traffic.received(frame, BATCH_ENTRY_BYTES);
      sessions.received(connection, frame, true, ageMs);
    }
    return undefined;
  }

  async #answered(connection: PollConnection, sentBefore: number, withinMs: number): Promise<void> {
    const enough = new AbortController();
    const late = sleep(this.#options.clock, withinMs, enough.signal).then(() => enough.abort());
    await connection.sentMoreThan(sentBefore, enough.signal);
    enough.abort();
    await late;
  }

  #refuse(connection: PollConnection, reason: CloseReason, detail: string): PollReply {
    this.#options.sessions.endConnection(connection, reason, detail);
    return { kind: 'ended', ...(connection.end ?? { code: CLOSE[reason].code, reason }) };
  }

  /** Ends the sessions whose agents have stopped polling. Silence is counted in sweeps: a process that stood still counts one. */
  #sweep(): void {
    for (const connection of this.#connections.values()) {
      connection.requests = 0;
      connection.quietMs += SWEEP_MS;
      const mayMs = 2 * Math.max(connection.waitMs, connection.intervalMs) + LIMITS.pollSilenceMs;
      if (connection.quietMs > mayMs)
        this.#options.sessions.endConnection(connection, 'silent', 'the agent did not come');
    }
    this.#foreign.clear();
  }
}

const GONE = { code: CLOSE.goingAway.code, reason: 'goingAway' };

/**
 * Whether the agent is sent something soon: WELCOME and what waits, the acknowledgement of a report, credit for an answer that is not
 * whole.
 */
function expectsAnswer(frames: readonly BatchedFrame[]): boolean {
  return frames.some(({ frame }) => {
    const type = frame[0];
    return type === FRAME.hello || type === FRAME.report || (type === FRAME.rows && frame[1] !== FLAG_FINAL);
  });
}
