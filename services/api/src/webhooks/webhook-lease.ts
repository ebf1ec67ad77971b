import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { StreamStore } from '@muster/bus';
import { decodeRecord, encodeRecord, STREAM_SUBJECTS, STREAMS, type WebhookLeaseRecord } from '@muster/records';
import { sleep, type Clock, type Logger } from '@muster/runtime';

export interface WebhookLeaseOptions {
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What the holder does, until the signal is aborted. */
  readonly lead: (signal: AbortSignal) => Promise<void>;
  /** Changed in tests. */
  readonly leaseMs?: number;
}

/** A lease that nobody renewed for this long is free. */
const LEASE_MS = 15_000;

/**
 * Lets one of several API processes do something. The lease is a record; each write of it is a compare-and-set on the
 * one before, so two processes never renew beside each other. Nobody's wall clock counts: a lease is free when its
 * record has not changed for `leaseMs` while this process watched.
 *
 *     watching ── free: compare-and-set ──▶ holding ── renewed every third of the lease ──▶ holding
 *        ▲                                     │
 *        └──────── conflict, or not renewed for two thirds of it, or stopped ───────────────┘
 */
export class WebhookLease {
  readonly #options: WebhookLeaseOptions;
  readonly #leaseMs: number;
  readonly #id = randomUUID();
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #holding = false;
  /** The record that was seen last, and when it was seen first (monotonic). */
  #seen = { seq: -1, sinceMs: 0 };

  constructor(options: WebhookLeaseOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
  }

  get holding(): boolean {
    return this.#holding;
  }

  start(): void {
    this.#running ??= this.#run(this.#stopping.signal);
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#options;
    while (!signal.aborted) {
      try {
        const seq = await this.#acquire();
        if (seq !== undefined) await this.#hold(seq, signal);
      } catch (err) {
        logger.debug('the lease of webhooks cannot be read', { err });
      }
      await sleep(clock, this.#leaseMs / 8, signal);
    }
  }

  /** The sequence of the record with which this process holds the lease. */
  async #acquire(): Promise<number | undefined> {
    const { streams, clock } = this.#options;
    const entry = await streams.last(STREAMS.webhooks.name, STREAM_SUBJECTS.webhookLease);
    const seq = entry?.seq ?? 0;
    const nowMs = clock.monotonic();
    if (this.#seen.seq !== seq) this.#seen = { seq, sinceMs: nowMs };
    const released = entry === undefined || decodeRecord<WebhookLeaseRecord>(entry.data).released === true;
    if (!released && nowMs - this.#seen.sinceMs < this.#leaseMs) return undefined;
    const result = await this.#write({ holder: this.#id }, seq);
    return result.kind === 'appended' ? result.seq : undefined;
  }

  async #hold(acquired: number, signal: AbortSignal): Promise<void> {
    const { clock, logger, lead } = this.#options;
    const over = new AbortController();
    // Each attempt listens.
    setMaxListeners(0, over.signal);
    const stop = (): void => over.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
    this.#holding = true;
    logger.info('this process delivers webhooks');
    const leading = lead(over.signal).catch((err: unknown) => logger.error('delivering webhooks failed', { err }));
    let seq: number | undefined = acquired;
    let renewedMs = clock.monotonic();
    while ((await sleep(clock, this.#leaseMs / 3, over.signal)) === 'elapsed') {
      const result = await this.#write({ holder: this.#id }, seq);
      if (result.kind === 'appended') {
        seq = result.seq;
        renewedMs = clock.monotonic();
      } else if (result.kind === 'conflict') {
        seq = await this.#own();
        if (seq === undefined) break;
      } else if (clock.monotonic() - renewedMs > (this.#leaseMs * 2) / 3) break;
    }
    over.abort();
    this.#holding = false;
    await leading;
    signal.removeEventListener('abort', stop);
    logger.info('this process does not deliver webhooks any more');
    if (signal.aborted && seq !== undefined) await this.#write({ holder: this.#id, released: true }, seq);
  }

  /** After a conflict: the sequence of the newest record if it is our own, whose acknowledgement was lost. */
  async #own(): Promise<number | undefined> {
    const entry = await this.#options.streams
      .last(STREAMS.webhooks.name, STREAM_SUBJECTS.webhookLease)
      .catch(() => undefined);
    if (entry === undefined || decodeRecord<WebhookLeaseRecord>(entry.data).holder !== this.#id) return undefined;
    return entry.seq;
  }

  #write(record: WebhookLeaseRecord, expectLastSubjectSeq: number) {
    return this.#options.streams.append(STREAM_SUBJECTS.webhookLease, encodeRecord(record), { expectLastSubjectSeq });
  }
}
