import { entryRecord, replayJournal, type AuditTrail, type EntryRecord } from '@muster/audit';
import type { StreamStore } from '@muster/bus';
import type { OrgId } from '@muster/protocol';
import { auditHash, RequestKeys, STREAM_SUBJECTS, STREAMS, type CommandRecord } from '@muster/records';
import { sleep, type Clock, type Logger } from '@muster/runtime';
import type { JournalProjection, JournalStep, LateEntry } from './journal-projection.js';

export interface OrgAuditOptions {
  readonly org: OrgId;
  readonly streams: StreamStore;
  readonly trail: Pick<AuditTrail, 'recordEntry' | 'mark'>;
  readonly projection: Pick<JournalProjection, 'newest' | 'firstOf'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Due = { readonly record: EntryRecord } | { readonly late: LateEntry };

/** More than this is not kept in memory, but read from the journal again. */
const MAX_WAITING = 500;
const RETRY_MS = 1_000;

/**
 * Writes the audit records of one org's journal, in its order: first those that the chain lacks, then each as its entry is read.
 *
 *     behind ──read the journal from the chain's mark on──▶ following ──too many wait──▶ behind
 */
export class OrgAudit {
  readonly #options: OrgAuditOptions;
  readonly #stopping = new AbortController();
  #due: Due[] = [];
  #isBehind = true;
  #running: Promise<void> | undefined;

  constructor(options: OrgAuditOptions) {
    this.#options = options;
    this.#run();
  }

  step({ seq, data, entry, step, command }: JournalStep): void {
    const record = entryRecord({ seq, data, entry, step, fold: command.fold });
    if (record !== undefined) this.#add({ record });
  }

  late(late: LateEntry): void {
    this.#add({ late });
  }

  /** Resolves when everything that was read is recorded, or the audit was stopped. */
  async idle(): Promise<void> {
    await this.#running;
  }

  stop(): void {
    this.#stopping.abort();
  }

  #add(due: Due): void {
    this.#due.push(due);
    if (this.#due.length > MAX_WAITING) this.#fallBehind();
    this.#run();
  }

  #fallBehind(): void {
    this.#isBehind = true;
    this.#due = [];
  }

  #run(): void {
    this.#running ??= this.#work();
  }

  async #work(): Promise<void> {
    const { clock, logger, org } = this.#options;
    const { signal } = this.#stopping;
    // Not in the turn that begins it, which is where the promise of it is kept.
    await Promise.resolve();
    while (!signal.aborted && (this.#isBehind || this.#due.length > 0)) {
      try {
        if (this.#isBehind) await this.#catchUp();
        else await this.#next();
      } catch (error) {
        if (signal.aborted) break;
        logger.warn('audit of the journal waits', { org, err: error });
        this.#fallBehind();
        await sleep(clock, RETRY_MS, signal);
      }
    }
    // In the same turn as the look at what is due: what is added afterwards starts anew.
    this.#running = undefined;
  }

  async #next(): Promise<void> {
    const due = this.#due.shift();
    if (due === undefined) return;
    if ('record' in due) await this.#store(due.record);
    else await this.#replay({ fromSeq: due.late.seq, toSeq: due.late.seq, id: due.late.id });
  }

  async #catchUp(): Promise<void> {
    const { projection, org } = this.#options;
    // What is read from here on is added to those that are due.
    const toSeq = projection.newest().get(org) ?? 0;
    this.#isBehind = false;
    this.#due = [];
    const fromSeq = await this.#firstMissing();
    if (fromSeq <= toSeq) await this.#replay({ fromSeq, toSeq });
  }

  async #replay(range: Pick<Parameters<typeof replayJournal>[0], 'fromSeq' | 'toSeq' | 'id'>): Promise<void> {
    const { streams, org, projection } = this.#options;
    const { signal } = this.#stopping;
    const keys = new RequestKeys();
    // The projection forgets the void commands of the day before yesterday.
    const isVoid = (record: CommandRecord): boolean =>
      range.fromSeq === 1 ? !keys.take(record) : projection.firstOf(record.id) !== undefined;
    for await (const event of replayJournal({ streams, org, isVoid, signal, ...range })) {
      const record = entryRecord(event);
      if (record !== undefined) await this.#store(record);
      if (this.#isBehind) return;
    }
  }

  async #store(record: EntryRecord): Promise<void> {
    const failed = await this.#options.trail.recordEntry(record);
    if (failed !== undefined) throw failed;
  }

  /** The first entry after those that the chain has records of. */
  async #firstMissing(): Promise<number> {
    const { trail, org, streams } = this.#options;
    const mark = trail.mark(org);
    const newest = await mark.read();
    if (newest === undefined) return 1;
    const read = { subject: STREAM_SUBJECTS.orgCommands(org), fromSeq: newest.seq };
    for await (const { seq, data } of streams.read(STREAMS.commands.name, read)) {
      if (seq > newest.seq || auditHash(data) === newest.hash) return newest.seq + 1;
      break;
    }
    // That journal is gone, and its sequences name other entries now.
    mark.forget();
    return 1;
  }
}
