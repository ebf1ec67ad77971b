import { encodeBody, encodeFrame, FLAG_FINAL, FRAME, type AgentId, type Header } from '@muster/protocol';
import type { CapabilityContext } from '../../foundation/capability.js';
import type { SampleMetrics } from './sample-metrics.js';
import type { SampledSession } from './sampled-session.js';
import type { WatchPublisher } from './watch-publisher.js';

export interface HistoryRequestsOptions extends Pick<CapabilityContext, 'clock'> {
  readonly metrics: SampleMetrics;
  readonly publisher: Pick<WatchPublisher, 'history'>;
}

/** What is asked for: minutes are most of the bytes, and few viewers want them. */
export type HistoryPart = 'seconds' | 'all';

export interface HistoryWish {
  readonly part: HistoryPart;
  /** The process takes several pieces in one message. */
  readonly joined: boolean;
}

interface Request {
  readonly sampled: SampledSession;
  readonly api: string;
  readonly wish: HistoryWish;
  readonly untilMs: number;
  bytes: number;
  pieces: number;
  /** Pieces that have not been handed on yet. */
  held: Uint8Array[];
  heldBytes: number;
  /** Its viewers have left. What the agent still sends of it was asked for, so it is not held against it. */
  isAbandoned: boolean;
}

/** All that an agent keeps. */
const KEPT = { secondsMs: 600_000, minutesMs: 86_400_000 };
const BODIES = {
  seconds: encodeBody('metricsHistory', { ...KEPT, minutesMs: 0 }),
  all: encodeBody('metricsHistory', KEPT),
};
const SECONDS_ONLY = { secondsOnly: true } as const;
const MAX_UNDER_WAY = 256;
const MAX_PER_SESSION = 8;
const TIMEOUT_MS = 15_000;
/** The process that got everything may not know it yet when it says for the next time what it lacks. */
const REPEAT_MS = 5_000;
/** Ten minutes of seconds and a day of minutes have some hundred KiB. */
const MAX_BYTES = 8 * 1024 * 1024;
const MAX_PIECES = 512;
/** Of one message; the ten minutes of an endpoint have less. */
const JOINED_BYTES = 128 * 1024;
const MAX_REF = 0xffffffff;

/** Asks agents for their history, once for each API process that begins to watch, and hands the pieces to it. */
export class HistoryRequests {
  readonly #options: HistoryRequestsOptions;
  readonly #requests = new Map<number, Request>();
  /** Until when a session is not asked again for the same part for a process, by all three. */
  readonly #recent = new Map<string, number>();
  #ref = 0;

  constructor(options: HistoryRequestsOptions) {
    this.#options = options;
  }

  /** How many are under way. */
  get size(): number {
    return this.#requests.size;
  }

  ask(sampled: SampledSession, api: string, wish: HistoryWish): void {
    const { part } = wish;
    const { clock, metrics } = this.#options;
    const nowMs = clock.monotonic();
    const key = keyOf(api, part, sampled.session);
    if ((this.#recent.get(key) ?? nowMs) > nowMs) return;
    if (this.size >= MAX_UNDER_WAY || this.#of(sampled).length >= MAX_PER_SESSION) {
      metrics.histories.inc({ result: 'busy' });
      return;
    }
    this.#ref = (this.#ref % MAX_REF) + 1;
    if (sampled.session.send(encodeFrame(FRAME.metricsHistory, this.#ref, BODIES[part])) !== 'sent') return;
    const untilMs = nowMs + TIMEOUT_MS + (sampled.session.connection.intervalMs ?? 0);
    const none = { bytes: 0, pieces: 0, held: [], heldBytes: 0, isAbandoned: false };
    this.#requests.set(this.#ref, { sampled, api, wish, untilMs, ...none });
    this.#recent.set(key, untilMs);
    metrics.histories.inc({ result: 'asked' });
  }

  /** Takes a piece. Returns false when nobody waits for it. */
  take(sampled: SampledSession, { ref, flags }: Header, bytes: Uint8Array): boolean {
    const request = this.#requests.get(ref);
    if (request?.sampled !== sampled) return false;
    request.bytes += bytes.length;
    request.pieces += 1;
    if (request.bytes > MAX_BYTES || request.pieces > MAX_PIECES) {
      this.#end(ref, 'too_long');
      return true;
    }
    const final = flags === FLAG_FINAL;
    if (!request.isAbandoned) this.#hold(request, bytes, final);
    if (!final) return true;
    if (request.isAbandoned) this.#requests.delete(ref);
    else {
      const untilMs = this.#options.clock.monotonic() + REPEAT_MS;
      this.#recent.set(keyOf(request.api, request.wish.part, sampled.session), untilMs);
      this.#end(ref, 'complete');
    }
    return true;
  }

  /** Hands pieces on: each as it comes, or many at once. */
  #hold(request: Request, bytes: Uint8Array, final: boolean): void {
    const { api, wish, sampled, held } = request;
    // A piece is valid during this call only.
    held.push(wish.joined && !final ? new Uint8Array(bytes) : bytes);
    request.heldBytes += bytes.length;
    if (wish.joined && !final && request.heldBytes < JOINED_BYTES) return;
    const [body = bytes, ...more] = held;
    request.held = [];
    request.heldBytes = 0;
    this.#options.publisher.history({
      ...{ api, agentId: sampled.session.agentId, final, body },
      ...(wish.part === 'seconds' ? SECONDS_ONLY : {}),
      ...(more.length > 0 ? { more } : {}),
    });
  }

  closed(sampled: SampledSession): void {
    for (const ref of this.#of(sampled)) this.#requests.delete(ref);
  }

  /** Forgets what took too long, and what nobody waits for any more. */
  expire(isWanted: (api: string, agentId: AgentId) => boolean): void {
    const nowMs = this.#options.clock.monotonic();
    for (const [ref, request] of this.#requests) {
      const { untilMs, api, wish, sampled, isAbandoned } = request;
      if (untilMs <= nowMs && isAbandoned) this.#requests.delete(ref);
      else if (untilMs <= nowMs) this.#end(ref, 'timed_out');
      else if (!isAbandoned && !isWanted(api, sampled.session.agentId)) {
        request.isAbandoned = true;
        request.held = [];
        this.#recent.delete(keyOf(api, wish.part, sampled.session));
      }
    }
    for (const [key, untilMs] of this.#recent) if (untilMs <= nowMs) this.#recent.delete(key);
  }

  clear(): void {
    this.#requests.clear();
    this.#recent.clear();
  }

  /** The handles of what a session has yet to answer. */
  #of(sampled: SampledSession): number[] {
    return [...this.#requests].filter(([, request]) => request.sampled === sampled).map(([ref]) => ref);
  }

  #end(ref: number, result: 'complete' | 'timed_out' | 'too_long'): void {
    this.#requests.delete(ref);
    this.#options.metrics.histories.inc({ result });
  }
}

function keyOf(api: string, part: HistoryPart, { agentId, epoch }: SampledSession['session']): string {
  return `${api} ${part} ${agentId} ${epoch}`;
}
