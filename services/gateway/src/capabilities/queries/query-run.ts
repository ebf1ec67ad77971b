import type { Bus } from '@muster/bus';
import {
  encodeBusMessage,
  messagingAttributes,
  SUBJECTS,
  type GatewayUpdate,
  type QueryStart,
  type TargetedUpdate,
} from '@muster/messages';
import { CAPABILITY, clipMessage, encodeBody, encodeFrame, FRAME } from '@muster/protocol';
import { encodeNumberSet } from '@muster/records';
import type { Clock, Span, Timer } from '@muster/runtime';
import type { CapabilityContext } from '../../foundation/capability.js';
import type { SessionView } from '../../foundation/session-view.js';
import type { ActiveQuery } from './active-query.js';
import type { QueryMetrics } from './query-metrics.js';

export interface QueryRunContext extends Pick<CapabilityContext, 'identity' | 'tracer'> {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly metrics: QueryMetrics;
}

/** Between updates while answers come in. */
const FLUSH_MS = 100;
/** Gathered bytes that are sent on at once. */
const FLUSH_BYTES = 192 * 1024;
/** What one query may hold back while the broker is away. */
const HELD_BYTES = 32 * 1024 * 1024;
/** Sessions that are asked before the loop turns to answers again: the first answers need not wait for the last question. */
const ASK_SLICE = 500;

const UNABLE = ['refused', 'no_capability', 'the agent does not say that it answers queries'] as const;
const UNABLE_TO_BIND = [
  'refused',
  'no_parameters',
  'the agent does not say that it takes parameters; a newer version does',
] as const;

const UNABLE_TO_CHECK = [
  'refused',
  'no_packs',
  'the agent does not say that it runs packs of checks; a newer version does',
] as const;

type Unable = typeof UNABLE | typeof UNABLE_TO_BIND | typeof UNABLE_TO_CHECK;

/** Asks sessions one query, and sends its coordinator what comes of it: the first update at once, the last at once, the others in time. */
export class QueryRun {
  readonly query: ActiveQuery;
  /** Monotonic; when the coordinator was last heard, and when it was last sent something. */
  coordinatorHeardAtMs: number;
  updatedAtMs: number;
  readonly #context: QueryRunContext;
  /** The number of the next update. */
  seq: number;
  #flushTimer: Timer | undefined;
  /** A flush at the end of this turn of the event loop is due. */
  #flushDue = false;
  #deadlineTimer: Timer | undefined;
  #isOver = false;
  /** Until the first time that every session has an outcome. Sessions that join later are not in it. */
  readonly #span: Span;
  #hasAnswered = false;

  /** `seq`: where this gateway, under this id, stopped numbering updates of the query when it gave the query up. */
  constructor(query: ActiveQuery, context: QueryRunContext, seq = 0) {
    this.query = query;
    this.seq = seq;
    this.#context = context;
    const { clock, tracer } = context;
    const { id, traceparent } = query.start;
    const attributes = { ...messagingAttributes(SUBJECTS.gateways), 'muster.query.id': id };
    this.#span = tracer.part('query ask', traceparent, { kind: 'consumer', attributes });
    const nowMs = clock.monotonic();
    this.coordinatorHeardAtMs = nowMs;
    this.updatedAtMs = nowMs;
    this.#deadlineTimer = clock.setTimeout(() => this.#deadline(), Math.max(0, query.deadlineMs - nowMs));
  }

  /** Tells the coordinator which endpoints this gateway asks. `joined`: it may know their answers from other gateways. */
  reportTargets(asked: {
    readonly joined: boolean;
    readonly begins?: true;
    readonly targets: readonly SessionView[];
    readonly moved?: readonly SessionView[];
  }): void {
    const { joined, begins, targets, moved = [] } = asked;
    const setOf = (sessions: readonly SessionView[]): Uint8Array => encodeNumberSet(sessions.map(({ num }) => num));
    const sets = { targets: setOf(targets), ...(moved.length === 0 ? {} : { moved: setOf(moved) }) };
    const count = targets.length + moved.length;
    this.#span.event('targets', { 'muster.query.targeted': count, 'muster.query.joined': joined });
    if (count === 0) this.#span.end();
    const polls = pollsOf([...targets, ...moved], this.#context.clock.monotonic());
    this.#update((address) => ({
      t: 'targeted',
      ...address,
      joined,
      ...(begins === true ? { begins } : {}),
      ...sets,
      ...polls,
    }));
  }

  /** Asks the sessions that can answer; the others have their outcome at once. */
  ask(targets: readonly SessionView[], joined: boolean): void {
    const { clock, metrics } = this.#context;
    const { fault } = this.query;
    const { start } = this.query;
    const able = fault === undefined ? targets.filter((session) => unableFor(session, start) === undefined) : [];
    if (fault !== undefined)
      this.query.refuse(targets, ['error', 'bad_query', clipMessage(`no agent takes it: ${fault}`)]);
    else if (able.length < targets.length)
      for (const why of [UNABLE, UNABLE_TO_BIND, UNABLE_TO_CHECK])
        this.query.refuse(
          targets.filter((session) => unableFor(session, start) === why),
          why,
        );
    if (able.length < targets.length) this.gathered();
    if (able.length === 0) return;
    const frame = this.query.ask(able, { joined, nowMs: clock.monotonic() });
    metrics.asked.inc(able.length);
    const askFrom = (from: number): void => {
      if (this.query.over) return;
      for (const session of able.slice(from, from + ASK_SLICE)) session.send(frame);
      if (from + ASK_SLICE < able.length) setImmediate(askFrom, from + ASK_SLICE);
    };
    askFrom(0);
  }

  /** Decides when what was just gathered is sent on. */
  gathered(): void {
    const { aggregator, waiting } = this.query;
    if (aggregator.size === 0 || this.#flushDue) return;
    if (waiting === 0 || this.seq <= 1 || aggregator.byteLength >= FLUSH_BYTES) {
      this.#flushDue = true;
      setImmediate(() => {
        this.#flushDue = false;
        if (!this.#isOver) this.flush();
      });
      return;
    }
    this.#flushTimer ??= this.#context.clock.setTimeout(() => this.flush(), FLUSH_MS);
  }

  /** Of a hunt: endpoints whose time is over have timed out, and need not work on it any more. */
  expireAsked(): void {
    const late = this.query.expireAsked(this.#context.clock.monotonic());
    if (late.length === 0) return;
    this.#cancelAt(late, 'deadline');
    this.gathered();
  }

  /** Sends what was gathered; an empty update too, as a sign of life. */
  flush(): void {
    const { bus, clock } = this.#context;
    clock.clear(this.#flushTimer);
    this.#flushTimer = undefined;
    const { aggregator } = this.query;
    // While the broker is away an update would be lost: what was gathered waits for the next sign of life, within bounds.
    if (!bus.connected && aggregator.byteLength < HELD_BYTES) return;
    const { size } = aggregator;
    const contents = aggregator.drain();
    const settled = this.query.waiting === 0;
    const working = this.query.working();
    const told = working === undefined ? {} : { working };
    for (const content of contents) {
      const last = content.more ? { settled: false } : { settled, ...told };
      this.#update((address) => ({ t: 'partial', ...address, ...last, ...content }));
    }
    this.#noteProgress(size, settled);
  }

  /** Ends work on the query: cancels it for the sessions that have not answered, and sends nothing more. */
  cancel(reason: string): void {
    this.#cancelAt(this.query.abandon(), reason);
    this.forget();
  }

  /** Ends work on the query and sends nothing. */
  forget(): void {
    const { clock } = this.#context;
    this.#isOver = true;
    clock.clear(this.#flushTimer);
    clock.clear(this.#deadlineTimer);
    this.#span.end();
    this.query.abandon();
  }

  #noteProgress(outcomes: number, settled: boolean): void {
    if (outcomes > 0 && !this.#hasAnswered) {
      this.#hasAnswered = true;
      this.#span.event('first partial', { 'muster.query.outcomes': outcomes });
    }
    if (!settled) return;
    this.#span.event('last partial');
    this.#span.end();
  }

  #deadline(): void {
    this.#deadlineTimer = undefined;
    this.#cancelAt(this.query.expire(), 'deadline');
    this.flush();
  }

  #cancelAt(sessions: readonly SessionView[], reason: string): void {
    if (sessions.length === 0) return;
    const frame = encodeFrame(FRAME.cancel, this.query.ref, encodeBody('cancel', { reason }));
    for (const session of sessions) session.send(frame);
  }

  #update(make: (address: Pick<GatewayUpdate, 'query' | 'gateway' | 'seq'>) => GatewayUpdate): void {
    const { bus, identity, clock, metrics } = this.#context;
    const { start } = this.query;
    const bytes = encodeBusMessage(make({ query: start.id, gateway: identity.id, seq: this.seq }));
    this.seq += 1;
    this.updatedAtMs = clock.monotonic();
    const result = bus.publish(SUBJECTS.coordinatorInbox(start.owner), bytes);
    metrics.updates.inc({ result });
    metrics.updateBytes.inc(bytes.length);
  }
}

/** Why the session's agent is not asked, or `undefined`. One that does not know parameters may take them for NULL. */
function unableFor({ profile }: SessionView, { parameters, pack }: QueryStart): Unable | undefined {
  if (profile?.capabilities.has(CAPABILITY.query) !== true) return UNABLE;
  if (pack !== undefined && !profile.capabilities.has(CAPABILITY.packs)) return UNABLE_TO_CHECK;
  return parameters !== undefined && !profile.capabilities.has(CAPABILITY.parameters) ? UNABLE_TO_BIND : undefined;
}

/** The endpoints that get the query only at their next poll. */
function pollsOf(sessions: readonly SessionView[], nowMs: number): Pick<TargetedUpdate, 'polls'> {
  const polling = sessions.filter(({ mode }) => mode === 'poll');
  if (polling.length === 0) return {};
  const lastMs = polling.reduce((last, { connection }) => Math.max(last, connection.dueMs ?? nowMs), nowMs);
  const nums = encodeNumberSet(polling.map(({ num }) => num));
  return { polls: { nums, withinMs: Math.round(lastMs - nowMs) } };
}
