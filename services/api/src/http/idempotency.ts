import { createHash } from 'node:crypto';
import { isStorageFull, type AppendResult, type StreamStore } from '@muster/bus';
import { AppError, decodeCbor, encodeCbor, newQueryId, type OrgId, type QueryId } from '@muster/protocol';
import { STREAM_SUBJECTS, STREAMS } from '@muster/records';
import { sleep, type Clock } from '@muster/runtime';
import { nothingDone } from '@muster/service-base';
import type { JsonAnswer } from './operation.js';
import type { CallRef, RunningCalls } from './running-calls.js';

/**
 *     (nothing) ──▶ running ──▶ done       a repeat gets the kept answer
 *                     │  ▲
 *                     ▼  │ repeat
 *                    free                   the call failed: a repeat runs it
 *
 * A `running` entry of a call that has ended is as good as `free`: its caller was told no, and what should have been kept was lost, or the
 * entry itself was stored after its caller had been told that it could not be.
 */
interface KeptAnswer {
  readonly state: 'running' | 'done' | 'free';
  /** A hash of operation, path and body. */
  readonly fingerprint: string;
  readonly atMs: number;
  /** Of a running one: who runs it. Absent in entries of older versions. */
  readonly by?: CallRef;
  /** The id of the query that the call starts. A free one has it when that query may have begun: a repeat must not start a second one. */
  readonly queryId?: QueryId;
  readonly status?: number;
  /** JSON. */
  readonly body?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface IdempotentCall {
  readonly org: OrgId;
  readonly principalId: string;
  readonly key: string;
  /** What must be equal in a repeat of the request. */
  readonly request: readonly string[];
  /**
   * Who sees to it that the call has its effect once. `service`: the service behind it, per key, so a repeat may run
   * beside an earlier call. `query_id`: the query service, per id, so a repeat may run when nothing is known of an
   * earlier one. `process`: nobody else.
   */
  readonly onceBy: 'service' | 'query_id' | 'process';
  /** It ends something, so it is kept that it began also where there is no room for anything new. */
  readonly ends: boolean;
}

interface Reservation {
  /** Of its entry. */
  readonly seq: number;
  readonly queryId: QueryId;
}

// A call that has run for longer was lost with its process.
const ABANDONED_MS = 120_000;
/** How often a reservation is tried when another entry was faster. */
const ROUNDS = 3;
const KEEP_AGAIN_MS = 1_000;

/**
 * Runs a call once per key and principal, across all API processes, for as long as the stream keeps the answer (24 hours).
 * Failures are not kept: a repeat tries again.
 */
export class Idempotency {
  readonly #streams: Pick<StreamStore, 'append' | 'last'>;
  readonly #calls: Pick<RunningCalls, 'begin' | 'end' | 'stateOf'>;
  readonly #clock: Clock;

  constructor(options: {
    readonly streams: Pick<StreamStore, 'append' | 'last'>;
    readonly calls: Pick<RunningCalls, 'begin' | 'end' | 'stateOf'>;
    readonly clock: Clock;
  }) {
    this.#streams = options.streams;
    this.#calls = options.calls;
    this.#clock = options.clock;
  }

  async run(call: IdempotentCall, perform: (queryId: QueryId) => Promise<JsonAnswer>): Promise<JsonAnswer> {
    const subject = STREAM_SUBJECTS.idempotency(call.org, digest([call.principalId, call.key]));
    const fingerprint = digest(call.request);
    const by = this.#calls.begin();
    let isKeptLater = false;
    try {
      const reserved = await this.#reserve(subject, { fingerprint, by }, call);
      if ('kind' in reserved) return reserved;
      const { seq, queryId } = reserved;
      let answer: JsonAnswer;
      try {
        answer = await perform(queryId);
      } catch (error) {
        const free: KeptAnswer = { state: 'free', fingerprint, atMs: this.#clock.now() };
        // A refusal of one service says nothing of another that was asked too and may still begin: a repeat has the same id.
        await this.#keep(subject, call.onceBy === 'query_id' ? { ...free, queryId } : free, seq, call.ends);
        throw error;
      }
      const done = this.#done(fingerprint, answer);
      if (!(await this.#keep(subject, done, seq))) {
        // Until it is kept the call counts as running, so that a repeat does not run it.
        isKeptLater = true;
        void this.#keepLater(subject, done, seq).finally(() => this.#calls.end(by));
      }
      return answer;
    } finally {
      if (!isKeptLater) this.#calls.end(by);
    }
  }

  /** The reservation, or the answer of the earlier call. */
  async #reserve(
    subject: string,
    { fingerprint, by }: Pick<KeptAnswer, 'fingerprint'> & { readonly by: CallRef },
    call: IdempotentCall,
  ): Promise<Reservation | JsonAnswer> {
    const atMs = this.#clock.now();
    let queryId = newQueryId(atMs);
    let after = 0;
    for (let round = 0; round < ROUNDS; round += 1) {
      const running: KeptAnswer = { state: 'running', fingerprint, atMs, by, queryId };
      const appended = await this.#append(subject, running, after, call.ends);
      if (appended.kind === 'appended') return { seq: appended.seq, queryId };
      const entry = await this.#last(subject);
      // A kept answer is given also where there is no room to begin anything.
      if (appended.kind === 'unavailable' && entry?.kept.state !== 'done') throw nothingDone(appended.cause);
      if (entry === undefined) continue;
      const { kept } = entry;
      if (kept.fingerprint !== fingerprint) {
        throw new AppError('idempotency_mismatch', `the idempotency key "${call.key}" was used for another request`);
      }
      if (kept.state === 'done') return replay(kept);
      if (!(await this.#isFree(kept, call))) break;
      after = entry.seq;
      queryId = kept.queryId ?? queryId;
    }
    throw new AppError('conflict', 'a request with this idempotency key is under way; repeat it in a moment', {
      details: { retryAfterMs: 1_000 },
    });
  }

  /** Whether a call that has no answer may run, or run again. */
  async #isFree({ state, atMs, by, queryId }: KeptAnswer, { onceBy }: IdempotentCall): Promise<boolean> {
    if (onceBy === 'service' || state === 'free' || this.#clock.now() - atMs > ABANDONED_MS) return true;
    if (by === undefined) return false;
    const call = await this.#calls.stateOf(by);
    return call === 'ended' || (call === 'unknown' && onceBy === 'query_id' && queryId !== undefined);
  }

  #done(fingerprint: string, { status, body, headers, unrepeatable = [] }: JsonAnswer): KeptAnswer {
    const kept = unrepeatable.length === 0 ? body : without(body, unrepeatable);
    return {
      state: 'done',
      fingerprint,
      atMs: this.#clock.now(),
      status,
      ...(kept === undefined ? {} : { body: JSON.stringify(kept) }),
      ...(headers === undefined ? {} : { headers }),
    };
  }

  /**
   * Whether it is kept, here or by who took the key since. A failure is no error: the call was made, and must not look
   * failed. What was done is essential. That something failed is not: the entry of its beginning says enough once the
   * call has ended.
   */
  async #keep(subject: string, kept: KeptAnswer, expectLastSubjectSeq: number, essential = true): Promise<boolean> {
    const options = { expectLastSubjectSeq, ...(essential ? ({ essential } as const) : {}) };
    const result = await this.#streams.append(subject, encodeCbor(kept), options);
    return result.kind !== 'unavailable';
  }

  async #keepLater(subject: string, kept: KeptAnswer, expectLastSubjectSeq: number): Promise<void> {
    const untilMs = this.#clock.monotonic() + ABANDONED_MS;
    do await sleep(this.#clock, KEEP_AGAIN_MS);
    while (!(await this.#keep(subject, kept, expectLastSubjectSeq)) && this.#clock.monotonic() < untilMs);
  }

  async #append(
    subject: string,
    kept: KeptAnswer,
    expectLastSubjectSeq: number,
    essential: boolean,
  ): Promise<AppendResult> {
    const options = { expectLastSubjectSeq, ...(essential ? ({ essential } as const) : {}) };
    const result = await this.#streams.append(subject, encodeCbor(kept), options);
    if (result.kind === 'unavailable' && !isStorageFull(result.cause)) throw nothingDone(result.cause);
    return result;
  }

  async #last(subject: string): Promise<{ readonly seq: number; readonly kept: KeptAnswer } | undefined> {
    try {
      const entry = await this.#streams.last(STREAMS.idempotency.name, subject);
      return entry && { seq: entry.seq, kept: decodeCbor(entry.data) as KeptAnswer };
    } catch (cause) {
      throw nothingDone(cause);
    }
  }
}

function replay({ status = 200, body, headers }: KeptAnswer): JsonAnswer {
  return {
    kind: 'json',
    status,
    ...(body === undefined ? {} : { body: JSON.parse(body) as unknown }),
    headers: { ...headers, 'idempotency-replayed': 'true' },
  };
}

function without(body: unknown, names: readonly string[]): unknown {
  return Object.fromEntries(Object.entries(body as object).filter(([name]) => !names.includes(name)));
}

/** A hash of principal and key, in its own name space. */
export function requestKeyOf({ org, principalId, key }: Pick<IdempotentCall, 'org' | 'principalId' | 'key'>): string {
  return digest(['request', org, principalId, key]);
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 40);
}
