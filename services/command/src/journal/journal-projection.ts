import { SequenceWaiters, StreamError, untilCurrent, type Entry, type StreamStore } from '@muster/bus';
import type { CommandSummary } from '@muster/messages';
import { isCommandId, type CommandId, type OrgId } from '@muster/protocol';
import {
  decodeJournalEntry,
  parseCommandSubject,
  RequestKeys,
  STREAM_SUBJECTS,
  STREAMS,
  type FoldStep,
  type JournalEntry,
} from '@muster/records';
import { shareNext, sleep, type Clock, type Logger } from '@muster/runtime';
import type { JournalMetrics } from './journal-metrics.js';
import type { JournalLag } from './journal-lag.js';
import { KnownCommands, type ListOptions } from './known-commands.js';
import { OpenCommand } from './open-command.js';

export interface JournalProjectionOptions {
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: JournalMetrics;
  readonly keepEnded: number;
  /** Told what is read. */
  readonly lag?: Pick<JournalLag, 'read' | 'reset'>;
}

/** What one entry did to a command. */
export interface JournalStep {
  readonly command: OpenCommand;
  readonly entry: JournalEntry;
  readonly seq: number;
  readonly data: Uint8Array;
  readonly step: FoldStep;
}

/** An entry of a command that has ended: what it changes shows only in the whole journal of the command. */
export interface LateEntry {
  readonly org: OrgId;
  readonly id: CommandId;
  readonly seq: number;
}

const RETRY_MS = 1_000;

/**
 * The state of all commands in memory, folded from the journal. It follows the stream from its start. The stream is the
 * truth; a projection that is behind only knows less. Open commands are complete, ended ones shrink to summaries.
 */
export class JournalProjection {
  readonly #options: JournalProjectionOptions;
  readonly #known: KnownCommands;
  readonly #keys = new RequestKeys();
  readonly #waiters = new SequenceWaiters();
  readonly #listeners = new Set<(step: JournalStep) => void>();
  readonly #lateListeners = new Set<(late: LateEntry) => void>();
  /** The newest entry of each org. */
  readonly #newest = new Map<OrgId, number>();
  readonly #restarted = new Set<() => void>();
  readonly #stopping = new AbortController();
  #following: Promise<void> = Promise.resolve();
  /** False until the journal was read for the first time, and while it is read again. */
  #caughtUp = false;
  #wasCaughtUp = false;

  constructor(options: JournalProjectionOptions) {
    this.#options = options;
    this.#known = new KnownCommands(options.keepEnded);
  }

  /** Resolves when everything that is in the journal now is folded. It waits while the broker is away. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#following = this.#follow(resolve).catch((error: unknown) => {
        this.#options.logger.error('journal cannot be followed', { err: error });
        reject(error instanceof Error ? error : new Error(String(error)));
      });
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#waiters.end();
    await this.#following;
  }

  get openCount(): number {
    return this.#known.openCount;
  }

  open(): Iterable<OpenCommand> {
    return this.#known.all();
  }

  get(id: CommandId): OpenCommand | undefined {
    return this.#known.open(id);
  }

  /** Whether the command is open, or ended and still in memory. */
  knows(id: CommandId): boolean {
    return this.#known.has(id);
  }

  summary(org: OrgId, id: CommandId): CommandSummary | undefined {
    return this.#known.summary(org, id);
  }

  list(org: OrgId, options: ListOptions): readonly CommandSummary[] {
    return this.#known.list(org, options);
  }

  /** The command that was created with a request key within the last day. */
  byRequestKey(key: string): CommandId | undefined {
    return this.#keys.get(key, this.#options.clock.now());
  }

  /** The earlier command with the same request key, for a command that is void because of it. */
  firstOf(id: CommandId): CommandId | undefined {
    return this.#keys.firstOf(id);
  }

  /** Resolves with true when the entry with this sequence is folded, with false when the projection stopped or restarted first. */
  folded(seq: number): Promise<boolean> {
    return this.#waiters.reached(seq);
  }

  /**
   * Resolves when everything that is in the journal now is folded. A service that stood still knows nothing of what others did meanwhile
   * until then, and must not tell its ignorance as "there is none".
   * @throws StreamError `unavailable` also when the journal cannot be read for 5 s.
   */
  readonly current = shareNext(() => {
    const { streams, clock } = this.#options;
    const journal = { stream: STREAMS.commands.name, subject: STREAM_SUBJECTS.allCommands };
    return untilCurrent(streams, journal, this.#waiters, clock);
  });

  /** Calls the listener for each folded entry of an open command, once the projection has caught up. */
  onStep(listener: (step: JournalStep) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Calls the listener for each entry of an ended command, once the projection has caught up. */
  onLate(listener: (late: LateEntry) => void): () => void {
    this.#lateListeners.add(listener);
    return () => this.#lateListeners.delete(listener);
  }

  /** The sequence of the newest entry that was read, by org. */
  newest(): ReadonlyMap<OrgId, number> {
    return this.#newest;
  }

  /** Calls the listener after the journal was read again from its start: open commands are other objects than before. */
  onRestart(listener: () => void): () => void {
    this.#restarted.add(listener);
    return () => this.#restarted.delete(listener);
  }

  /**
   * A command with all its targets: the open one itself, or a copy of an ended one, read from the journal.
   * @throws StreamError
   */
  async load(org: OrgId, id: CommandId): Promise<OpenCommand | undefined> {
    const open = this.#known.open(id);
    if (open !== undefined) return open.org === org ? open : undefined;
    // The id becomes part of a subject.
    if (!isCommandId(id) || this.#keys.firstOf(id) !== undefined) return undefined;
    const subject = STREAM_SUBJECTS.command(org, id);
    // Reading a subject costs a consumer; that it has no entry costs one request.
    if ((await this.#options.streams.last(STREAMS.commands.name, subject)) === undefined) return undefined;
    let command: OpenCommand | undefined;
    for await (const { data, seq } of this.#options.streams.read(STREAMS.commands.name, { subject })) {
      const entry = decodeJournalEntry(data);
      if (entry.t === 'submitted') command ??= new OpenCommand(entry.record, seq);
      command?.fold.apply(entry);
      if (command !== undefined) command.lastSeq = seq;
    }
    return command;
  }

  async #follow(caughtUp: () => void): Promise<void> {
    const { streams, logger, clock } = this.#options;
    const signal = this.#stopping.signal;
    const onCaughtUp = (): void => {
      this.#caughtUp = true;
      if (this.#wasCaughtUp) for (const listener of this.#restarted) listener();
      this.#wasCaughtUp = true;
      caughtUp();
    };
    while (!signal.aborted) {
      try {
        const options = { subject: STREAM_SUBJECTS.allCommands, follow: true, signal, batch: 1_000, onCaughtUp };
        for await (const entry of streams.read(STREAMS.commands.name, options)) this.#take(entry);
      } catch (error) {
        if (!(error instanceof StreamError)) throw error;
        const mayComeAtOnce = error.code === 'stream_reset' || error.code === 'stalled';
        if (!mayComeAtOnce && !this.#wasCaughtUp) throw error;
        logger.error('journal is read again from its start', { code: error.code, err: error });
        if (error.code !== 'stream_reset') await sleep(clock, RETRY_MS, signal);
        this.#clear();
      }
    }
    caughtUp();
  }

  #clear(): void {
    this.#caughtUp = false;
    this.#known.clear();
    this.#keys.clear();
    this.#newest.clear();
    this.#waiters.reset();
    this.#options.lag?.reset();
  }

  #take(entry: Entry): void {
    try {
      this.#apply(entry);
    } catch (error) {
      // One unreadable entry must not hide those after it.
      this.#options.metrics.unreadable.inc();
      this.#options.logger.error('unreadable journal entry skipped', { seq: entry.seq, err: error });
    }
    this.#waiters.pass(entry.seq);
    this.#options.lag?.read(entry.seq);
  }

  #apply({ data: view, seq, subject }: Entry): void {
    const of = parseCommandSubject(subject);
    if (of === undefined) return;
    this.#newest.set(of.org, seq);
    // Records stay in memory, and the data is a view of a larger buffer.
    const data = view.slice();
    const entry = decodeJournalEntry(data);
    const command = this.#commandOf(entry, { ...of, subject, seq });
    if (command === undefined) {
      const isLate = this.#caughtUp && entry.t !== 'submitted' && this.#keys.firstOf(of.id) === undefined;
      if (isLate) for (const listener of this.#lateListeners) listener({ ...of, seq });
      return;
    }
    const step = command.fold.apply(entry);
    command.lastSeq = seq;
    if (step.ended) this.#known.end(command);
    if (this.#caughtUp) for (const listener of this.#listeners) listener({ command, entry, seq, data, step });
  }

  #commandOf(
    entry: JournalEntry,
    { id, subject, seq }: { readonly id: CommandId; readonly subject: string; readonly seq: number },
  ): OpenCommand | undefined {
    const known = this.#known.open(id);
    if (known !== undefined || entry.t !== 'submitted' || this.#known.has(id)) return known;
    // A client of the broker must not be able to write a command under the subject of another one.
    if (subject !== STREAM_SUBJECTS.command(entry.record.org, entry.record.id))
      throw new TypeError('the entry is of another command');
    if (!this.#keys.take(entry.record)) return undefined;
    const command = new OpenCommand(entry.record, seq);
    this.#known.add(command);
    return command;
  }
}
