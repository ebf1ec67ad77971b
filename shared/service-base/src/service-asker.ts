import type { Bus, RequestResult } from '@muster/bus';
import { decodeServiceMessage, type RequestTerms, type ServiceMessage } from '@muster/messages';
import { sleep, type Clock } from '@muster/runtime';
import { SILENCE_MS, type ServiceInstances } from './service-instances.js';

export interface ServiceAskerOptions {
  readonly bus: Pick<Bus, 'request'>;
  readonly clock: Clock;
  readonly instances: ServiceInstances;
  /** The subject of the queue group, for when no instance is known. */
  readonly group: string;
  /** The subject of one instance. */
  readonly subjectOf: (id: string) => string;
}

export interface AskOptions {
  readonly timeoutMs: number;
  /** How long the service may take to begin; default `timeoutMs`. */
  readonly beginMs?: number;
  /**
   * Gives up after so long while none of those that were asked is heard. Default `timeoutMs`: who stood still may do
   * what was asked yet.
   */
  readonly silentMs?: number;
  /** Instances that are not asked. */
  readonly except?: readonly string[];
}

/** Writes the request; each instance gets its own terms. */
export type Encode = (terms: RequestTerms) => Uint8Array;

interface Attempt {
  /** `undefined`: any, through the queue group. */
  readonly id: string | undefined;
  readonly sentMs: number;
  readonly settled: Promise<{ readonly attempt: Attempt; readonly result: RequestResult }>;
}

const CHECK_MS = 250;
/** Heartbeats may be so late before the queue group is asked. */
const LATE_MS = 5_000;
/** A refusal is smaller. */
const REFUSAL_BYTES = 512;

/**
 * Asks one instance of a service that was heard a moment ago, and another one when that one falls silent before it has answered. The first
 * may stand still and go on later, so a request must be safe to reach two instances: it names what it makes, which is then made once.
 *
 * An instance that is heard may take its time. While none is heard, or none is known, the queue group is asked.
 */
export class ServiceAsker {
  readonly #options: ServiceAskerOptions;

  constructor(options: ServiceAskerOptions) {
    this.#options = options;
  }

  async ask(encode: Encode, options: AskOptions): Promise<RequestResult> {
    const { clock, instances } = this.#options;
    const startMs = clock.monotonic();
    const untilMs = startMs + options.timeoutMs;
    const silentMs = options.silentMs ?? Infinity;
    const asked = new Set(options.except);
    let attempts: Attempt[] = [];
    let last: RequestResult | undefined;
    let wasGroupAsked = false;
    for (;;) {
      if (attempts.every((attempt) => this.#isSilent(attempt))) {
        const next = instances.pick(asked) ?? (attempts.length === 0 ? this.#late(asked) : undefined);
        if (next !== undefined) {
          asked.add(next);
          attempts.push(this.#send(next, encode, untilMs, options));
        } else if (attempts.length === 0) {
          if (wasGroupAsked) return last ?? { kind: 'no_responders' };
          wasGroupAsked = true;
          attempts.push(this.#send(undefined, encode, untilMs, options));
        }
      }
      const isGivenUp = clock.monotonic() - startMs >= silentMs && attempts.every((attempt) => this.#isSilent(attempt));
      if (isGivenUp) return { kind: 'timeout' };
      const settled = await this.#next(attempts);
      if (settled === undefined) continue;
      const { attempt, result } = settled;
      attempts = attempts.filter((other) => other !== attempt);
      if (result.kind === 'reply' && !isDraining(result.data)) return result;
      last = result;
      if (result.kind === 'no_responders' && attempt.id !== undefined) instances.gone(attempt.id);
      const isOver = result.kind === 'timeout' || result.kind === 'disconnected';
      if (isOver && attempts.length === 0) return result;
    }
  }

  /** Asks this instance on that subject alone, and gives it up when it falls silent. */
  async askInstance(
    id: string,
    subject: string,
    encode: Encode,
    { timeoutMs }: { readonly timeoutMs: number },
  ): Promise<RequestResult | { readonly kind: 'silent' }> {
    const attempt = this.#sendTo(subject, id, encode, { timeoutMs, beginMs: timeoutMs });
    for (;;) {
      const settled = await this.#next([attempt]);
      if (settled !== undefined) return settled.result;
      if (this.#isSilent(attempt)) return { kind: 'silent' };
    }
  }

  #send(id: string | undefined, encode: Encode, untilMs: number, options: AskOptions): Attempt {
    const { clock, group, subjectOf } = this.#options;
    const timeoutMs = Math.max(untilMs - clock.monotonic(), 1);
    const beginMs = timeoutMs - options.timeoutMs + (options.beginMs ?? options.timeoutMs);
    return this.#sendTo(id === undefined ? group : subjectOf(id), id, encode, { timeoutMs, beginMs });
  }

  #sendTo(
    subject: string,
    id: string | undefined,
    encode: Encode,
    { timeoutMs, beginMs }: { readonly timeoutMs: number; readonly beginMs: number },
  ): Attempt {
    const { bus, clock, instances } = this.#options;
    // All of the queue group may stand still: what they find when they go on, nobody waits for any more.
    const nowThere = id === undefined ? instances.latestNow() : instances.nowAt(id);
    const data = encode(nowThere === undefined ? {} : { expiresAtMs: nowThere + beginMs });
    const result = bus.request(subject, data, { timeoutMs });
    const attempt: Attempt = {
      ...{ id, sentMs: clock.monotonic() },
      settled: result.then((settled) => ({ attempt, result: settled })),
    };
    // It may fail after another attempt was answered.
    attempt.settled.catch(() => undefined);
    return attempt;
  }

  /** The next result; `undefined` when it is time to look who is silent. */
  async #next(attempts: readonly Attempt[]) {
    const settled = new AbortController();
    const check = sleep(this.#options.clock, CHECK_MS, settled.signal).then(() => undefined);
    try {
      return await Promise.race([...attempts.map((attempt) => attempt.settled), check]);
    } finally {
      settled.abort();
    }
  }

  /** All heartbeats are late, as on a busy machine: the one that was heard last. The queue group may hold one that stands still. */
  #late(asked: ReadonlySet<string>): string | undefined {
    const latest = this.#options.instances.latest(LATE_MS);
    return latest === undefined || asked.has(latest) ? undefined : latest;
  }

  #isSilent({ id, sentMs }: Attempt): boolean {
    const { clock, instances } = this.#options;
    // Who in the queue group got the request is not known: it may be one that stands still.
    const heardMs = id === undefined ? sentMs : Math.max(sentMs, instances.heardMs(id));
    return clock.monotonic() - heardMs >= SILENCE_MS;
  }
}

/** An instance that stops has done nothing, and another one can. */
function isDraining(data: Uint8Array): boolean {
  if (data.length > REFUSAL_BYTES) return false;
  try {
    const reply = decodeServiceMessage<ServiceMessage>(data);
    return reply.t === 'problem' && reply.code === 'draining';
  } catch {
    return false;
  }
}
