import { randomUUID } from 'node:crypto';
import { readInTime, StreamError, type AppendResult, type Entry, type StreamStore } from '@muster/bus';
import { AppError, type OrgId } from '@muster/protocol';
import {
  decodeRecord,
  encodeRecord,
  STREAM_SUBJECTS,
  STREAMS,
  type WebhookDeliveryRecord,
  type WebhookRecord,
} from '@muster/records';
import { writeFailure } from '@muster/service-base';

/** A delivery as its stream has it. */
export interface KeptDelivery {
  readonly seq: number;
  readonly record: WebhookDeliveryRecord;
}

/** What an event is, before it is one for a webhook. */
export interface WebhookEventBody {
  readonly id: string;
  readonly type: string;
  readonly atMs: number;
  readonly data: Readonly<Record<string, unknown>>;
}

/** A longer body is sent without its data. */
const MAX_BODY_BYTES = 64 * 1024;

/** The JSON that is posted. */
export function deliveryBody(
  webhook: Pick<WebhookRecord, 'org' | 'id'>,
  { id, type, atMs, data }: WebhookEventBody,
): string {
  const head = { id, type, at: new Date(atMs).toISOString(), org: webhook.org, webhook: webhook.id };
  const body = JSON.stringify({ ...head, data });
  return Buffer.byteLength(body) <= MAX_BODY_BYTES ? body : JSON.stringify({ ...head, truncated: true });
}

/** Reads and writes what became of deliveries. Each is one subject, so that a write is a compare-and-set of one delivery. */
export class DeliveryStore {
  readonly #streams: StreamStore;

  constructor(streams: StreamStore) {
    this.#streams = streams;
  }

  /** Adds a delivery once: `conflict` where it is there already. */
  add(
    webhook: Pick<WebhookRecord, 'org' | 'id'>,
    event: WebhookEventBody,
    nowMs: number,
    full = false,
  ): Promise<AppendResult> {
    const record: WebhookDeliveryRecord = {
      ...{
        org: webhook.org,
        webhookId: webhook.id,
        eventId: event.id,
        type: event.type,
        createdAtMs: nowMs,
        attempts: 0,
      },
      ...(full
        ? { state: 'dropped', lastError: 'too many deliveries were pending' }
        : { state: 'pending', nextAtMs: nowMs, body: deliveryBody(webhook, event) }),
    };
    return this.write(record, 0);
  }

  write(record: WebhookDeliveryRecord, expectLastSubjectSeq: number): Promise<AppendResult> {
    const subject = STREAM_SUBJECTS.webhookDelivery(record.org, record.webhookId, record.eventId);
    return this.#streams.append(subject, encodeRecord(record), { expectLastSubjectSeq });
  }

  async read({
    org,
    webhookId,
    eventId,
  }: Pick<WebhookDeliveryRecord, 'org' | 'webhookId' | 'eventId'>): Promise<KeptDelivery | undefined> {
    const subject = STREAM_SUBJECTS.webhookDelivery(org, webhookId, eventId);
    const entry = await this.#streams.last(STREAMS.webhookDeliveries.name, subject);
    return entry === undefined ? undefined : keptDelivery(entry);
  }

  /** Those of a webhook that match, what changed last first, before the sequence. Throws `broker_unavailable`. */
  async newest(
    webhook: Pick<WebhookRecord, 'org' | 'id'>,
    { limit, before, state }: { readonly limit: number; readonly before?: number; readonly state?: string },
  ): Promise<KeptDelivery[]> {
    const found: KeptDelivery[] = [];
    try {
      const subject = STREAM_SUBJECTS.webhookDeliveries(webhook.org, webhook.id);
      for await (const entry of readInTime(this.#streams, STREAMS.webhookDeliveries.name, { subject })) {
        if (before !== undefined && entry.seq >= before) break;
        const kept = keptDelivery(entry);
        if (state !== undefined && kept.record.state !== state) continue;
        found.push({ seq: kept.seq, record: withoutBody(kept.record) });
        if (found.length > 2 * limit) found.splice(0, found.length - limit);
      }
    } catch (cause) {
      if (!(cause instanceof Error) || cause.name !== StreamError.name) throw cause;
      throw new AppError('broker_unavailable', 'deliveries cannot be read now', { cause });
    }
    return found.toReversed().slice(0, limit);
  }

  /** Queues an event that says nothing. Returns its id. Throws `broker_unavailable`, `storage_full`. */
  async addTest({ org, id }: { readonly org: OrgId; readonly id: string }, nowMs: number): Promise<string> {
    const event = { id: `test-${randomUUID()}`, type: 'webhook.test', atMs: nowMs, data: {} };
    const result = await this.add({ org, id }, event, nowMs);
    if (result.kind === 'unavailable') throw writeFailure('the event could not be queued', result.cause);
    return event.id;
  }
}

export function keptDelivery({ seq, data }: Entry): KeptDelivery {
  return { seq, record: decodeRecord<WebhookDeliveryRecord>(data) };
}

export function withoutBody({ body: _body, ...record }: WebhookDeliveryRecord): WebhookDeliveryRecord {
  return record;
}
