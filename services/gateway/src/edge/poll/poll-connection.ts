import type { PollReply } from '@muster/messages';
import { BATCH_ENTRY_BYTES, decodeHeader, encodeBatch, FRAME, LIMITS, type BatchedFrame } from '@muster/protocol';
import type { Clock } from '@muster/runtime';
import type { Connection, PollSchedule, SendResult } from '../../foundation/connection.js';
import type { ChannelTraffic } from '../../traffic/frame-traffic.js';

interface Waiting {
  readonly type: number;
  readonly ref: number;
  readonly frame: Uint8Array;
  readonly atMs: number;
}

export interface PollConnectionOptions {
  /** `sessionKey` of its name. */
  readonly session: string;
  readonly address: string;
  readonly clock: Pick<Clock, 'now' | 'monotonic'>;
  readonly traffic: Pick<ChannelTraffic, 'sent'>;
  /** More waits than the limits allow: the agent does not fetch it. */
  readonly onOverflow: () => void;
  readonly commandMemory: CommandMemory;
  /** The connection was closed, by either side. */
  readonly onClosed: () => void;
}

/** The bytes that COMMAND frames of all connections may hold while they wait: each of these frames is different. */
export class CommandMemory {
  #freeBytes: number;

  constructor(limitBytes: number) {
    this.#freeBytes = limitBytes;
  }

  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** Returns false when there is no room. */
  take(bytes: number): boolean {
    if (bytes > this.#freeBytes) return false;
    this.#freeBytes -= bytes;
    return true;
  }

  give(bytes: number): void {
    this.#freeBytes += bytes;
  }
}

const MAX_FRAMES = LIMITS.pollFrames;
/** A query to many agents is the same bytes in memory for all of them. */
const MAX_BYTES = 16 * 1024 * 1024;
/** Services repeat these until they are answered; one that waits already need not wait twice. */
const REPEATED: ReadonlySet<number> = new Set([FRAME.command, FRAME.commandCancel, FRAME.reportKept]);

/**
 * A connection to an agent that polls. What is sent waits in order until the agent has fetched it and has acknowledged it with its next
 * request. Frames are numbered from 1 when they are fetched first, so that a frame that was taken back before leaves no gap.
 *
 *     send ──▶ waiting ──fetched──▶ on its way ──acknowledged──▶ forgotten
 *                 ▲                     │ not acknowledged
 *                 └─────────────────────┘
 */
export class PollConnection implements Connection {
  readonly session: string;
  readonly address: string;
  /** The number of the last request with frames that was taken. */
  seq = 0;
  /** Monotonic; when the agent is expected next. */
  dueMs: number;
  /** How long it may wait until then. */
  waitMs: number = LIMITS.helloDeadlineMs;
  /** How long nothing came, counted in sweeps. */
  quietMs = 0;
  /** Requests since the last sweep. */
  requests = 0;
  /** How many frames were sent, fetched or not. */
  sent = 0;
  readonly #options: PollConnectionOptions;
  readonly #outbox: Waiting[] = [];
  #bytes = 0;
  /** How many the agent has: the first that waits has the next number. */
  #acknowledged = 0;
  /** The highest number that was ever fetched. */
  #fetched = 0;
  #end: { readonly code: number; readonly reason: string } | undefined;
  #schedule: PollSchedule = { intervalMs: LIMITS.pollIntervalMs };
  /** Requests that wait for a frame. */
  readonly #waiting = new Set<() => void>();

  constructor(options: PollConnectionOptions) {
    this.#options = options;
    this.session = options.session;
    this.address = options.address;
    this.dueMs = options.clock.monotonic();
  }

  /** Why it was closed; undefined while it is open. */
  get end(): { readonly code: number; readonly reason: string } | undefined {
    return this.#end;
  }

  send(frame: Uint8Array): SendResult {
    if (this.#end !== undefined) return 'closed';
    const header = decodeHeader(frame);
    const { type = 0, ref = 0 } = header ?? {};
    if (REPEATED.has(type) && this.#outbox.some((waiting) => isSame(waiting.frame, frame))) return 'sent';
    if (type === FRAME.cancel && this.#withdraw(ref)) return 'sent';
    if (type === FRAME.metrics && this.#replace(type, frame)) return 'sent';
    if (this.#outbox.length >= MAX_FRAMES || this.#bytes + frame.length > MAX_BYTES) {
      this.#options.onOverflow();
      return 'dropped';
    }
    // The command service repeats it.
    if (type === FRAME.command && !this.#options.commandMemory.take(frame.length)) return 'dropped';
    this.#outbox.push({ type, ref, frame, atMs: this.#options.clock.monotonic() });
    this.#bytes += frame.length;
    this.sent += 1;
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

  expectPolls(schedule: PollSchedule): void {
    this.#schedule = schedule;
  }

  /** How many milliseconds the agent waits between two polls. */
  get intervalMs(): number {
    const { intervalMs, lease } = this.#schedule;
    return lease !== undefined && lease.untilMs <= this.#options.clock.now() ? lease.next.intervalMs : intervalMs;
  }

  /** The agent was asked to come back after `waitMs`. */
  expectIn(waitMs: number): void {
    this.dueMs = this.#options.clock.monotonic() + waitMs;
    this.waitMs = Math.max(waitMs, this.intervalMs);
  }

  /** Forgets the frames up to number `have`. Returns false when the agent claims to have what it never fetched. */
  acknowledge(have: number): boolean {
    if (have > this.#fetched) return false;
    const gone = this.#outbox.splice(0, Math.max(0, have - this.#acknowledged));
    this.#forget(gone);
    this.#acknowledged += gone.length;
    return true;
  }

  /** Resolves when more than `count` frames have been sent, when the connection is closed, or at the signal. */
  async sentMoreThan(count: number, signal: AbortSignal): Promise<void> {
    while (this.#end === undefined && this.sent <= count && !signal.aborted) {
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
    const nowMs = this.#options.clock.monotonic();
    const frames: BatchedFrame[] = [];
    let bytes = 0;
    for (const { frame, atMs } of this.#outbox) {
      bytes += BATCH_ENTRY_BYTES + frame.length;
      if (bytes > LIMITS.pollBodyBytes) break;
      frames.push({ frame, ageMs: nowMs - atMs });
      if (this.#acknowledged + frames.length > this.#fetched) this.#options.traffic.sent(frame, BATCH_ENTRY_BYTES);
    }
    const upTo = this.#acknowledged + frames.length;
    this.#fetched = Math.max(this.#fetched, upTo);
    return { kind: 'frames', upTo, batch: encodeBatch(frames), hasMore: frames.length < this.#outbox.length };
  }

  #forget(gone: readonly Waiting[]): void {
    for (const { frame, type } of gone) {
      this.#bytes -= frame.length;
      if (type === FRAME.command) this.#options.commandMemory.give(frame.length);
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  /** The newest METRICS counts: one that was not fetched gives its place to it. */
  #replace(type: number, frame: Uint8Array): boolean {
    const at = this.#outbox.findLastIndex((waiting) => waiting.type === type);
    const former = this.#outbox[at];
    if (former === undefined || at < this.#fetched - this.#acknowledged) return false;
    this.#bytes += frame.length - former.frame.length;
    this.#outbox[at] = { type, ref: 0, frame, atMs: this.#options.clock.monotonic() };
    return true;
  }

  /** A query that was not fetched need not be cancelled: it is taken back. */
  #withdraw(ref: number): boolean {
    const at = this.#outbox.findIndex((waiting) => waiting.type === FRAME.query && waiting.ref === ref);
    const query = this.#outbox[at];
    if (query === undefined || at < this.#fetched - this.#acknowledged) return false;
    this.#forget(this.#outbox.splice(at, 1));
    return true;
  }
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && Buffer.compare(one, other) === 0;
}
