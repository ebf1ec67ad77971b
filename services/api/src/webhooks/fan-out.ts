import { StreamError, type Entry, type StreamStore } from '@muster/bus';
import { endpointLabel } from '@muster/directory';
import { parseSelector, selectorMatches } from '@muster/protocol';
import {
  decodeRecord,
  encodeRecord,
  STREAM_SUBJECTS,
  STREAMS,
  type WebhookDeliveryRecord,
  type WebhookPositionRecord,
  type WebhookRecord,
} from '@muster/records';
import { sleep, type Clock, type Logger } from '@muster/runtime';
import type { DeliveryStore } from './delivery-store.js';
import { orgOfSubject, type EventSource, type SourceEvent } from './event-sources.js';
import type { WebhookStore } from './webhook-store.js';

export interface FanOutOptions {
  readonly streams: StreamStore;
  readonly webhooks: WebhookStore;
  readonly deliveries: DeliveryStore;
  readonly sources: readonly EventSource[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** How many deliveries of a webhook are pending. */
  readonly pendingOf: (webhook: WebhookRecord) => number;
  /** A delivery of a webhook was added: it is pending, whether its stream has told so yet or not. */
  readonly onAdded: (delivery: AddedDelivery, signal: AbortSignal) => void;
  readonly onDropped: () => void;
  /** How many deliveries of a webhook may be pending; changed in tests. */
  readonly maxPending?: number;
}

export type AddedDelivery = Pick<WebhookDeliveryRecord, 'org' | 'webhookId' | 'eventId' | 'createdAtMs'> & {
  readonly seq: number;
};

/** More deliveries of one webhook are dropped: its receiver is down, and memory and storage are not. */
export const MAX_PENDING = 10_000;
const RETRY_MS = 1_000;
const POSITION_EVERY_MS = 1_000;

/**
 * Makes deliveries of events: reads each source from where the process before stopped and adds one delivery for each
 * webhook that asks for it. The position is written after the deliveries, and the id of an event is that of its entry,
 * so that after a kill nothing is missed and nothing is added twice.
 */
export class FanOut {
  readonly #options: FanOutOptions;
  readonly #positions = new Map<string, number>();
  readonly #written = new Map<string, number>();

  constructor(options: FanOutOptions) {
    this.#options = options;
  }

  /** Until the signal is aborted; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    this.#positions.clear();
    this.#written.clear();
    const flushing = this.#flushRegularly(signal);
    await Promise.all(this.#options.sources.map((source) => this.#follow(source, signal)));
    await flushing;
  }

  async #follow(source: EventSource, signal: AbortSignal): Promise<void> {
    const { streams, clock, logger } = this.#options;
    while (!signal.aborted) {
      try {
        const fromSeq = (await this.#position(source)) + 1;
        const options = { subject: source.subject, fromSeq, follow: true, signal, batch: 100 };
        for await (const entry of streams.read(source.stream, options)) {
          await this.#take(source, entry, signal);
          if (signal.aborted) return;
          this.#positions.set(source.type, entry.seq);
        }
      } catch (err) {
        // The stream was lost and made again: its sequences are others.
        if (err instanceof StreamError && err.code === 'stream_reset') this.#positions.set(source.type, 0);
        logger.warn('events for webhooks are read again', { event: source.type, err });
      }
      await sleep(clock, RETRY_MS, signal);
    }
  }

  async #position(source: EventSource): Promise<number> {
    const known = this.#positions.get(source.type);
    if (known !== undefined) return known;
    const entry = await this.#options.streams.last(STREAMS.webhooks.name, STREAM_SUBJECTS.webhookPosition(source.type));
    return entry === undefined ? 0 : decodeRecord<WebhookPositionRecord>(entry.data).seq;
  }

  async #take(source: EventSource, entry: Entry, signal: AbortSignal): Promise<void> {
    const { webhooks, logger } = this.#options;
    const asking = webhooks
      .list(orgOfSubject(entry.subject))
      .filter(({ record, sinceMs }) => record.events.includes(source.type) && sinceMs <= entry.timestampMs);
    if (asking.length === 0) return;
    try {
      const events = [(await source.read(entry)) ?? []].flat();
      for (const event of events)
        for (const { record } of asking)
          if (reaches(record, event)) await this.#add(record, source, { entry, event, signal });
    } catch (err) {
      if (err instanceof StreamError) throw err;
      logger.error('unreadable event skipped', { event: source.type, seq: entry.seq, err });
    }
  }

  async #add(
    webhook: WebhookRecord,
    { type }: EventSource,
    { entry, event, signal }: { entry: Entry; event: SourceEvent; signal: AbortSignal },
  ): Promise<void> {
    const { deliveries, clock, pendingOf, onAdded, onDropped, maxPending = MAX_PENDING } = this.#options;
    const part = event.part === undefined ? '' : `-${event.part}`;
    const body = {
      id: `${type.replace('.', '-')}-${event.key ?? entry.seq}${part}`,
      type,
      atMs: event.atMs,
      data: event.data,
    };
    const full = pendingOf(webhook) >= maxPending;
    const createdAtMs = clock.now();
    while (!signal.aborted) {
      const result = await deliveries.add(webhook, body, createdAtMs, full);
      if (result.kind === 'appended') {
        if (full) onDropped();
        else
          onAdded({ org: webhook.org, webhookId: webhook.id, eventId: body.id, createdAtMs, seq: result.seq }, signal);
      }
      if (result.kind !== 'unavailable') return;
      await sleep(clock, RETRY_MS, signal);
    }
  }

  async #flushRegularly(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    let state: 'elapsed' | 'aborted';
    do {
      state = await sleep(clock, POSITION_EVERY_MS, signal);
      for (const [type, seq] of this.#positions) await this.#flush(type, seq);
    } while (state === 'elapsed');
  }

  async #flush(type: string, seq: number): Promise<void> {
    if (this.#written.get(type) === seq) return;
    const record: WebhookPositionRecord = { seq };
    const result = await this.#options.streams.append(STREAM_SUBJECTS.webhookPosition(type), encodeRecord(record));
    if (result.kind === 'appended') this.#written.set(type, seq);
  }
}

/** Whether the selector of a webhook lets an event through. */
function reaches({ selector }: WebhookRecord, { endpoint }: SourceEvent): boolean {
  if (selector === undefined) return true;
  const parsed = parseSelector(selector);
  return parsed.ok && endpoint !== undefined && selectorMatches(parsed.selector, endpointLabel(endpoint));
}
