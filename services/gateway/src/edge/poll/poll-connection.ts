import type { PollReply } from '@muster/messages';
import {
  BATCH_ENTRY_BYTES,
  CLOSE,
  decodeHeader,
  encodeBatch,
  FRAME,
  LIMITS,
  type BatchedFrame,
} from '@muster/protocol';
import type { ChannelTraffic } from '../../traffic/frame-traffic.js';
import type { Connection, SendResult } from '../transport/transport.js';

interface Waiting {
  readonly type: number;
  readonly ref: number;
  readonly frame: Uint8Array;
  readonly atMs: number;
}

export interface PollConnectionOptions {
  readonly name: string;
  readonly address: string;
  readonly openedAtMs: number;
  /** Monotonic. */
  readonly now: () => number;
  readonly traffic: Pick<ChannelTraffic, 'sent'>;
  /** What waits is more than may wait: the agent does not come for it. */
  readonly onOverflow: () => void;
  /** What orders may hold of memory, those of all connections together: each of them is its own. */
  readonly orderMemory: OrderMemory;
  /** It was closed, from whichever side. */
  readonly onClosed: () => void;
}

/** Bytes that may be held, of one kind, by all connections of a gateway. */
export interface OrderMemory {
  /** False when there is no room. */
  take(bytes: number): boolean;
  give(bytes: number): void;
}

const MAX_FRAMES = LIMITS.pollFrames;
/** A question to many waits as the same bytes for all of them. */
const MAX_BYTES = 16 * 1024 * 1024;
/** Services say these again until they are answered; what waits already need not wait twice. */
const REPEATED: ReadonlySet<number> = new Set([FRAME.command, FRAME.commandCancel, FRAME.reportKept]);

/**
 * A connection to an agent that polls: what is sent waits in order until the agent has fetched it, and has said with its next request that it
 * has. Frames are numbered from 1 when they are fetched first, so that no number is left out for what was taken back before.
 *
 *     send ──▶ waiting ──fetched──▶ on its way ──receipt──▶ forgotten
 *                 ▲                     │ no receipt
 *                 └─────────────────────┘
 */
export class PollConnection implements Connection {
  readonly name: string;
  readonly address: string;
  readonly openedAtMs: number;
  /** The number of the last request with frames that was taken. */
  seq = 0;
  /** Monotonic; when the agent is expected next, and how long it was told to wait until then. */
  dueMs: number;
  waitMs: number = LIMITS.helloDeadlineMs;
  /** How long nothing came, by the sweeps that were made meanwhile. */
  quietMs = 0;
  /** Requests since the last sweep. */
  requests = 0;
  /** How many frames were sent, fetched or not. */
  said = 0;
  readonly #options: PollConnectionOptions;
  readonly #outbox: Waiting[] = [];
  #bytes = 0;
  /** How many were received: the first that waits has the next number. */
  #received = 0;
  /** The highest number that was ever fetched. */
  #fetched = 0;
  #end: { readonly code: number; readonly reason: string } | undefined;
  /** Requests that wait for it to speak. */
  readonly #waiting = new Set<() => void>();

  constructor(options: PollConnectionOptions) {
    this.#options = options;
    this.name = options.name;
    this.address = options.address;
    this.openedAtMs = options.openedAtMs;
    this.dueMs = options.now();
  }

  /** How it was closed, once it was. */
  get end(): { readonly code: number; readonly reason: string } | undefined {
    return this.#end;
  }

  send(frame: Uint8Array): SendResult {
    if (this.#end !== undefined) return 'closed';
    const header = decodeHeader(frame);
    const { type = 0, ref = 0 } = header ?? {};
    if (REPEATED.has(type) && this.#outbox.some((waiting) => isSame(waiting.frame, frame))) return 'sent';
    if (type === FRAME.cancel && this.#withdraw(ref)) return 'sent';
    if (this.#outbox.length >= MAX_FRAMES || this.#bytes + frame.length > MAX_BYTES) {
      this.#options.onOverflow();
      return 'dropped';
    }
    // Who ordered says it again.
    if (type === FRAME.command && !this.#options.orderMemory.take(frame.length)) return 'dropped';
    this.#outbox.push({ type, ref, frame, atMs: this.#options.now() });
    this.#bytes += frame.length;
    this.said += 1;
    this.#wake();
    return 'sent';
  }

  ping(): void {
    // The agent's polls are its heartbeat.
  }

  close(code: number, reason: string): void {
    if (this.#end !== undefined) return;
    this.#end = { code, reason };
    this.#forget(this.#outbox.splice(0));
    this.#wake();
    this.#options.onClosed();
  }

  cork(run: () => void): void {
    run();
  }

  /** The agent was told to come back after so long; `intervalMs` is what it goes by otherwise. */
  expect(nowMs: number, waitMs: number, intervalMs: number): void {
    this.dueMs = nowMs + waitMs;
    this.waitMs = Math.max(waitMs, intervalMs);
  }

  /** Forgets what the agent has. False when it claims to have what it was never given. */
  receipt(have: number): boolean {
    if (have > this.#fetched) return false;
    const gone = this.#outbox.splice(0, Math.max(0, have - this.#received));
    this.#forget(gone);
    this.#received += gone.length;
    return true;
  }

  /** Resolves when more than `said` frames have been sent or the connection is closed, or at the signal. */
  async spoken(said: number, signal: AbortSignal): Promise<void> {
    while (this.#end === undefined && this.said <= said && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#waiting.add(resolve);
        const giveUp = (): void => {
          this.#waiting.delete(resolve);
          resolve();
        };
        signal.addEventListener('abort', giveUp, { once: true });
      });
    }
  }

  /** What the agent does not have yet, as much as fits into one reply, and whether there is more. */
  fetch(): Extract<PollReply, { kind: 'frames' }> & { readonly hasMore: boolean } {
    const nowMs = this.#options.now();
    const frames: BatchedFrame[] = [];
    let bytes = 0;
    for (const { frame, atMs } of this.#outbox) {
      bytes += BATCH_ENTRY_BYTES + frame.length;
      if (bytes > LIMITS.pollBodyBytes) break;
      frames.push({ frame, ageMs: nowMs - atMs });
      if (this.#received + frames.length > this.#fetched) this.#options.traffic.sent(frame, BATCH_ENTRY_BYTES);
    }
    const upTo = this.#received + frames.length;
    this.#fetched = Math.max(this.#fetched, upTo);
    return { kind: 'frames', upTo, batch: encodeBatch(frames), hasMore: frames.length < this.#outbox.length };
  }

  #forget(gone: readonly Waiting[]): void {
    for (const { frame, type } of gone) {
      this.#bytes -= frame.length;
      if (type === FRAME.command) this.#options.orderMemory.give(frame.length);
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** A query that nobody has fetched need not be cancelled: it is taken back. */
  #withdraw(ref: number): boolean {
    const at = this.#outbox.findIndex((waiting) => waiting.type === FRAME.query && waiting.ref === ref);
    const query = this.#outbox[at];
    if (query === undefined || at < this.#fetched - this.#received) return false;
    this.#forget(this.#outbox.splice(at, 1));
    return true;
  }
}

/** What a peer that does not come for its frames is closed with. */
export const OVERFLOW = CLOSE.slowConsumer;

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && Buffer.compare(one, other) === 0;
}
