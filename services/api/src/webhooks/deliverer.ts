import { followView, type Entry, type StreamStore } from '@muster/bus';
import type { WebhookDeliveryRecord, WebhookRecord } from '@muster/records';
import { sleep, type Clock, type Logger, type Timer } from '@muster/runtime';
import { STREAMS } from '@muster/records';
import { keptDelivery, type DeliveryStore } from './delivery-store.js';
import { nextRecord } from './delivery-outcome.js';
import type { AddedDelivery } from './fan-out.js';
import type { PostAttempt } from './webhook-post.js';
import type { WebhookStore } from './webhook-store.js';

export interface DelivererOptions {
  readonly streams: StreamStore;
  readonly webhooks: WebhookStore;
  readonly deliveries: DeliveryStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly post: (webhook: WebhookRecord, delivery: WebhookDeliveryRecord, signal: AbortSignal) => Promise<PostAttempt>;
  readonly onAttempt: (attempt: PostAttempt, next: WebhookDeliveryRecord) => void;
}

/** Attempts beside each other, in all and for one webhook: one that hangs holds no other up. */
const MAX_ATTEMPTS = 32;
const MAX_ATTEMPTS_PER_WEBHOOK = 2;
const RETRY_MS = 1_000;
/** This process may hear of a delivery before it hears of its webhook. */
const UNKNOWN_WEBHOOK_MS = 60_000;

interface Item extends Pick<WebhookDeliveryRecord, 'org' | 'webhookId' | 'eventId' | 'createdAtMs'> {
  readonly key: string;
  seq: number;
  timer: Timer | undefined;
  inFlight: boolean;
}

interface Queue {
  readonly ready: Item[];
  pending: number;
  inFlight: number;
}

/**
 * Posts pending deliveries when they are due, and writes what came of it. What is pending is what the stream says;
 * bodies are read when they are sent.
 */
export class Deliverer {
  readonly #options: DelivererOptions;
  readonly #items = new Map<string, Item>();
  readonly #queues = new Map<string, Queue>();
  readonly #attempts = new Set<Promise<void>>();

  constructor(options: DelivererOptions) {
    this.#options = options;
  }

  get pending(): number {
    return this.#items.size;
  }

  pendingOf({ org, id }: Pick<WebhookRecord, 'org' | 'id'>): number {
    return this.#queues.get(`${org}/${id}`)?.pending ?? 0;
  }

  /** Until the signal is aborted; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { streams, clock, logger } = this.#options;
    while (!signal.aborted) {
      try {
        const view = await followView(streams, {
          ...{ stream: STREAMS.webhookDeliveries.name, logger, signal },
          apply: (entry) => this.#apply(entry, signal),
          reset: () => this.#clear(),
        });
        await new Promise<void>((resolve) => {
          if (signal.aborted) resolve();
          else signal.addEventListener('abort', () => resolve(), { once: true });
        });
        await view.stop();
      } catch (err) {
        if (!signal.aborted) logger.warn('deliveries of webhooks cannot be read', { err });
      }
      await Promise.allSettled(this.#attempts);
      this.#clear();
      await sleep(clock, RETRY_MS, signal);
    }
  }

  /** One was written by this process: it counts at once, so that a burst cannot outrun the view and with it the bound. */
  added(delivery: AddedDelivery, signal: AbortSignal): void {
    if (!signal.aborted) this.#pend(delivery, delivery.createdAtMs, signal);
  }

  #apply(entry: Entry, signal: AbortSignal): void {
    const { seq, record } = keptDelivery(entry);
    const { org, webhookId, eventId, createdAtMs, state, nextAtMs } = record;
    if (state === 'pending') {
      this.#pend({ org, webhookId, eventId, createdAtMs, seq }, nextAtMs ?? createdAtMs, signal);
      return;
    }
    const known = this.#items.get(`${org}/${webhookId}/${eventId}`);
    if (known !== undefined && known.seq < seq) this.#forget(known);
  }

  #pend({ org, webhookId, eventId, createdAtMs, seq }: AddedDelivery, atMs: number, signal: AbortSignal): void {
    const key = `${org}/${webhookId}/${eventId}`;
    const known = this.#items.get(key);
    if (known !== undefined && known.seq >= seq) return;
    const item = known ?? { key, org, webhookId, eventId, createdAtMs, seq, timer: undefined, inFlight: false };
    item.seq = seq;
    if (known === undefined) {
      this.#items.set(key, item);
      this.#queueOf(item).pending += 1;
    }
    if (!item.inFlight) this.#schedule(item, atMs, signal);
  }

  #schedule(item: Item, atMs: number, signal: AbortSignal): void {
    const { clock } = this.#options;
    clock.clear(item.timer);
    if (signal.aborted) return;
    item.timer = clock.setTimeout(
      () => {
        this.#queueOf(item).ready.push(item);
        this.#pump(signal);
      },
      Math.max(0, atMs - clock.now()),
    );
  }

  #pump(signal: AbortSignal): void {
    if (signal.aborted) return;
    for (const queue of this.#queues.values()) {
      while (queue.inFlight < MAX_ATTEMPTS_PER_WEBHOOK && this.#attempts.size < MAX_ATTEMPTS) {
        const item = queue.ready.shift();
        if (item === undefined) break;
        if (this.#items.get(item.key) !== item || item.inFlight) continue;
        item.inFlight = true;
        queue.inFlight += 1;
        const attempt = this.#attempt(item, signal).finally(() => {
          item.inFlight = false;
          queue.inFlight -= 1;
          this.#attempts.delete(attempt);
          this.#pump(signal);
        });
        this.#attempts.add(attempt);
      }
    }
  }

  async #attempt(item: Item, signal: AbortSignal): Promise<void> {
    const { deliveries, webhooks, clock, post, onAttempt } = this.#options;
    const kept = await deliveries.read(item).catch(() => 'unreadable' as const);
    if (kept === 'unreadable') return this.#schedule(item, clock.now() + RETRY_MS, signal);
    if (kept?.record.state !== 'pending') return this.#forget(item);
    const webhook = webhooks.find(item.org, item.webhookId);
    if (webhook === undefined) {
      const known = clock.now() - item.createdAtMs > UNKNOWN_WEBHOOK_MS;
      return known ? this.#forget(item) : this.#schedule(item, clock.now() + RETRY_MS, signal);
    }
    const attempt = await post(webhook.record, kept.record, signal);
    if (signal.aborted) return;
    const next = nextRecord(kept.record, attempt, clock.now());
    onAttempt(attempt, next);
    await this.#store(item, next, kept.seq, signal);
  }

  /** Tries until it is stored: to post again only because the broker was away would tell the receiver twice. */
  async #store(item: Item, next: WebhookDeliveryRecord, expectedSeq: number, signal: AbortSignal): Promise<void> {
    const { deliveries, clock } = this.#options;
    while (!signal.aborted) {
      const result = await deliveries.write(next, expectedSeq);
      // Somebody else wrote: the view brings what.
      if (result.kind === 'conflict') return this.#schedule(item, clock.now() + RETRY_MS, signal);
      if (result.kind === 'appended') {
        item.seq = Math.max(item.seq, result.seq);
        if (next.state === 'pending') this.#schedule(item, next.nextAtMs ?? clock.now(), signal);
        else this.#forget(item);
        return;
      }
      await sleep(clock, RETRY_MS, signal);
    }
  }

  #queueOf({ org, webhookId }: Item): Queue {
    const key = `${org}/${webhookId}`;
    const known = this.#queues.get(key) ?? { ready: [], pending: 0, inFlight: 0 };
    this.#queues.set(key, known);
    return known;
  }

  #forget(item: Item): void {
    this.#options.clock.clear(item.timer);
    if (this.#items.delete(item.key)) this.#queueOf(item).pending -= 1;
  }

  #clear(): void {
    for (const item of this.#items.values()) this.#options.clock.clear(item.timer);
    this.#items.clear();
    this.#queues.clear();
  }
}
