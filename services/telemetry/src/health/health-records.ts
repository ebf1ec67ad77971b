import { followView, type AppendResult, type Entry, type FollowedView, type StreamStore } from '@muster/bus';
import { SILENT } from './health-policy.js';
import {
  decodeRecord,
  encodeRecord,
  HEALTH_STATES,
  STREAMS,
  STREAM_SUBJECTS,
  type HealthRecord,
} from '@muster/records';
import type { Counter, Logger } from '@muster/runtime';

/** What a record says, and which one it is. */
type Known = Pick<HealthRecord, 'num' | 'state' | 'atMs' | 'rules' | 'epoch' | 'sampleSeq'> & { readonly seq: number };

export interface HealthRecordsOptions {
  readonly streams: StreamStore;
  readonly logger: Logger;
  readonly metrics: { readonly events: Counter<'state'>; readonly failures: Counter };
}

/** Writes that wait for the broker at the same time. What is beyond is written after the next sample of the endpoint. */
const MAX_WRITES = 256;

/**
 * The health of endpoints as it is recorded: every instance follows the stream, so that one that takes a partition over
 * goes on where the other stopped. A change is written only after the change before it, so that two instances never
 * record the same one twice.
 */
export class HealthRecords {
  readonly #options: HealthRecordsOptions;
  readonly #known = new Map<number, Known>();
  readonly #writing = new Set<number>();
  #view: FollowedView | undefined;

  constructor(options: HealthRecordsOptions) {
    this.#options = options;
  }

  async start(signal?: AbortSignal): Promise<void> {
    const { streams, logger } = this.#options;
    this.#view ??= await followView(streams, {
      ...{ stream: STREAMS.health.name, logger, apply: (entry: Entry) => this.#apply(entry) },
      reset: () => this.#known.clear(),
      ...(signal === undefined ? {} : { signal }),
    });
  }

  async stop(): Promise<void> {
    await this.#view?.stop();
  }

  get(num: number): Known | undefined {
    return this.#known.get(num);
  }

  /** Endpoints that fell silent, and have not changed since. */
  *silent(): Generator<number> {
    for (const { num, rules } of this.#known.values()) if (rules.some(({ rule }) => rule === SILENT)) yield num;
  }

  /** Does not wait. When it fails, the state stays as it was known, and whoever judges next tries again. */
  write(record: Omit<HealthRecord, 'prev'>): void {
    const { num } = record;
    if (this.#writing.has(num) || this.#writing.size >= MAX_WRITES) return;
    this.#writing.add(num);
    void this.#append(record).finally(() => this.#writing.delete(num));
  }

  /** This identity does not exist any more. */
  forget({ org, agentId, num }: Pick<HealthRecord, 'org' | 'agentId' | 'num'>): void {
    const known = this.#known.get(num);
    if (known === undefined) return;
    this.#known.delete(num);
    const { streams, logger } = this.#options;
    // The endpoint may be enrolled again, and its health recorded, before this is done.
    streams
      .purge(STREAMS.health.name, STREAM_SUBJECTS.health(org, agentId), { beforeSeq: known.seq + 1 })
      .catch((error: unknown) => logger.debug('health of a removed endpoint stays', { err: error }));
  }

  async #append(change: Omit<HealthRecord, 'prev'>): Promise<void> {
    const { metrics } = this.#options;
    const subject = STREAM_SUBJECTS.health(change.org, change.agentId);
    let prev = this.#known.get(change.num)?.seq ?? 0;
    let result = await this.#appendAfter(prev, change);
    if (result.kind === 'conflict') {
      const left = await this.#leftBehind(subject, change.num);
      // Another instance was faster; the view tells what it wrote.
      if (left === undefined) return;
      prev = left;
      result = await this.#appendAfter(prev, change);
    }
    if (result.kind === 'unavailable') metrics.failures.inc();
    if (result.kind !== 'appended') return;
    metrics.events.inc({ state: change.state });
    this.#know(result.seq, { ...change, prev });
  }

  #appendAfter(prev: number, change: Omit<HealthRecord, 'prev'>): Promise<AppendResult> {
    const subject = STREAM_SUBJECTS.health(change.org, change.agentId);
    const record: HealthRecord = { ...change, prev };
    return this.#options.streams.append(subject, encodeRecord(record), { expectLastSubjectSeq: prev });
  }

  /**
   * The newest record of a subject where that is of an identity that was removed: it could not be purged, and the same
   * id was enrolled again.
   */
  async #leftBehind(subject: string, num: number): Promise<number | undefined> {
    const newest = await this.#options.streams.last(STREAMS.health.name, subject).catch(() => undefined);
    if (newest === undefined) return undefined;
    return decodeRecord<HealthRecord>(newest.data).num === num ? undefined : newest.seq;
  }

  #apply({ seq, data }: Entry): void {
    try {
      const record = decodeRecord<HealthRecord>(data);
      if (HEALTH_STATES.includes(record.state) && Array.isArray(record.rules)) this.#know(seq, record);
    } catch (error) {
      // One unreadable record must not stop the view.
      this.#options.logger.error('unreadable health record skipped', { err: error, seq });
    }
  }

  #know(seq: number, { num, state, atMs, rules, epoch, sampleSeq }: HealthRecord): void {
    if (seq <= (this.#known.get(num)?.seq ?? 0)) return;
    const sample = epoch === undefined || sampleSeq === undefined ? {} : { epoch, sampleSeq };
    this.#known.set(num, { seq, num, state, atMs, rules, ...sample });
  }
}
