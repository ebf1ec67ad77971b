import { createHash } from 'node:crypto';
import type { StreamStore } from '@muster/bus';
import { AppError, decodeCbor, encodeCbor, type OrgId } from '@muster/protocol';
import { STREAM_SUBJECTS, STREAMS } from '@muster/records';
import type { Clock } from '@muster/runtime';
import { nothingDone } from '../upstream/service-reply.js';
import type { JsonAnswer } from './operation.js';

/**
 *     (nothing) ──▶ running ──▶ done       a repeat gets the kept answer
 *                     │  ▲
 *                     ▼  │ repeat
 *                    free                   the call failed: a repeat runs it
 */
interface KeptAnswer {
  readonly state: 'running' | 'done' | 'free';
  /** A hash of operation, path and body. */
  readonly fingerprint: string;
  readonly atMs: number;
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
  /** Whether the call may run again while an earlier one does, because the service behind it does it once per key. */
  readonly isPassedOn: boolean;
}

// A call that has run for longer was lost with its process.
const ABANDONED_MS = 120_000;

/**
 * Runs a call once per key and principal, across all API processes, for as long as the stream keeps the answer (24 hours).
 * Failures are not kept: a repeat tries again.
 */
export class Idempotency {
  readonly #streams: StreamStore;
  readonly #clock: Clock;

  constructor({ streams, clock }: { readonly streams: StreamStore; readonly clock: Clock }) {
    this.#streams = streams;
    this.#clock = clock;
  }

  async run(call: IdempotentCall, perform: () => Promise<JsonAnswer>): Promise<JsonAnswer> {
    const subject = STREAM_SUBJECTS.idempotency(call.org, digest([call.principalId, call.key]));
    const fingerprint = digest(call.request);
    const reserved = await this.#reserve(subject, fingerprint, call);
    if (typeof reserved !== 'number') return reserved;
    let answer: JsonAnswer;
    try {
      answer = await perform();
    } catch (error) {
      await this.#keep(subject, { state: 'free', fingerprint, atMs: this.#clock.now() }, reserved);
      throw error;
    }
    await this.#keep(subject, this.#done(fingerprint, answer), reserved);
    return answer;
  }

  /** The sequence of the reservation, or the answer of the earlier call. */
  async #reserve(
    subject: string,
    fingerprint: string,
    { key, isPassedOn }: IdempotentCall,
  ): Promise<number | JsonAnswer> {
    const running: KeptAnswer = { state: 'running', fingerprint, atMs: this.#clock.now() };
    const first = await this.#append(subject, running, 0);
    if (first !== undefined) return first;
    const entry = await this.#last(subject);
    if (entry !== undefined) {
      const { seq, kept } = entry;
      if (kept.fingerprint !== fingerprint) {
        throw new AppError('idempotency_mismatch', `the idempotency key "${key}" was used for another request`);
      }
      if (kept.state === 'done') return replay(kept);
      if (isPassedOn || kept.state === 'free' || this.#clock.now() - kept.atMs > ABANDONED_MS) {
        const taken = await this.#append(subject, running, seq);
        if (taken !== undefined) return taken;
      }
    }
    throw new AppError('conflict', 'a request with this idempotency key is under way; repeat it in a moment', {
      details: { retryAfterMs: 1_000 },
    });
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

  /** Ignores a failure: the call was made, and must not look failed because its answer could not be kept. */
  async #keep(subject: string, kept: KeptAnswer, expectLastSubjectSeq: number): Promise<void> {
    await this.#streams.append(subject, encodeCbor(kept), { expectLastSubjectSeq });
  }

  async #append(subject: string, kept: KeptAnswer, expectLastSubjectSeq: number): Promise<number | undefined> {
    const result = await this.#streams.append(subject, encodeCbor(kept), { expectLastSubjectSeq });
    if (result.kind === 'unavailable') throw nothingDone(result.cause);
    return result.kind === 'appended' ? result.seq : undefined;
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
