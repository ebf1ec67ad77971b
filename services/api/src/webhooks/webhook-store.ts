import { randomBytes } from 'node:crypto';
import { followView, type FollowedView, type StreamStore } from '@muster/bus';
import { AppError, type OrgId } from '@muster/protocol';
import { decodeRecord, encodeRecord, STREAM_SUBJECTS, STREAMS, type WebhookRecord } from '@muster/records';
import type { Logger } from '@muster/runtime';
import { writeFailure } from '@muster/service-base';

/** A webhook, with what the broker says of it. */
export interface KeptWebhook {
  readonly seq: number;
  /** When the broker stored it: events that it stored before are not told. */
  readonly sinceMs: number;
  readonly record: WebhookRecord;
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567';

/** `w` and 80 random bits. */
export function newWebhookId(): string {
  return `w${Array.from(randomBytes(16), (byte) => ALPHABET[byte % 32]).join('')}`;
}

/** The webhooks of all orgs in memory, as their stream has them. */
export class WebhookStore {
  readonly #streams: StreamStore;
  readonly #logger: Logger;
  readonly #byOrg = new Map<OrgId, Map<string, KeptWebhook>>();
  #view: FollowedView | undefined;

  constructor({ streams, logger }: { readonly streams: StreamStore; readonly logger: Logger }) {
    this.#streams = streams;
    this.#logger = logger;
  }

  async start(): Promise<void> {
    this.#view = await followView(this.#streams, {
      stream: STREAMS.webhooks.name,
      subject: STREAM_SUBJECTS.allWebhooks,
      logger: this.#logger,
      apply: ({ seq, data, timestampMs }) => this.#keep({ seq, sinceMs: timestampMs, record: decodeRecord(data) }),
      reset: () => this.#byOrg.clear(),
    });
  }

  async stop(): Promise<void> {
    await this.#view?.stop();
  }

  /** Resolves when it has everything that is kept now. @throws StreamError */
  async current(): Promise<void> {
    await this.#view?.current();
  }

  find(org: OrgId, id: string): KeptWebhook | undefined {
    return this.#byOrg.get(org)?.get(id);
  }

  /** Those of an org, sorted by id. */
  list(org: OrgId): KeptWebhook[] {
    return [...(this.#byOrg.get(org)?.values() ?? [])].sort((a, b) => (a.record.id < b.record.id ? -1 : 1));
  }

  /** Throws `broker_unavailable`, `storage_full`, `conflict`. */
  async create(record: WebhookRecord): Promise<void> {
    await this.#write(record, 0);
  }

  async delete({ record, seq }: KeptWebhook, nowMs: number): Promise<void> {
    // The secret is not needed any more.
    await this.#write({ ...record, secret: '', deletedAtMs: nowMs }, seq);
  }

  async #write(record: WebhookRecord, expectLastSubjectSeq: number): Promise<void> {
    const subject = STREAM_SUBJECTS.webhook(record.org, record.id);
    const essential = record.deletedAtMs === undefined ? {} : ({ essential: true } as const);
    const result = await this.#streams.append(subject, encodeRecord(record), { expectLastSubjectSeq, ...essential });
    if (result.kind === 'unavailable') throw writeFailure('the webhook could not be kept', result.cause);
    if (result.kind === 'conflict') throw new AppError('conflict', 'the webhook was changed meanwhile; try again');
    // The broker's time comes with the view; until then nothing is missed, because only the process that delivers looks at it.
    this.#keep({ seq: result.seq, sinceMs: record.createdAtMs, record });
  }

  #keep(kept: KeptWebhook): void {
    const { org, id, deletedAtMs } = kept.record;
    const own = this.#byOrg.get(org) ?? new Map<string, KeptWebhook>();
    if ((own.get(id)?.seq ?? 0) > kept.seq) return;
    if (deletedAtMs === undefined) own.set(id, kept);
    else own.delete(id);
    if (own.size === 0) this.#byOrg.delete(org);
    else this.#byOrg.set(org, own);
  }
}
