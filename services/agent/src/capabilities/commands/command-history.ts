import { join } from 'node:path';
import { LIMITS } from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime/program';
import { AppendFile } from '../../store/append-file.js';
import {
  applyEntry,
  type CommandKey,
  type CommandRecord,
  entriesOf,
  keyText,
  type HistoryEntry,
  type CommandEntry,
  type Outcome,
  outcomeEntry,
  readEntry,
  startedEntry,
} from './history-entry.js';

export interface CommandHistoryOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A delivery can still arrive this long after a command's expiry. */
const REMEMBERED_MS = 24 * 3_600_000;
/** Lines added before the file is compacted; a longer file gets more. */
const SPARE_LINES = 512;
/** Cancels are not signed, so whoever can inject frames can make the agent record them: their number is bounded. */
const MAX_BARE_CANCELS = 1_000;

/**
 * The durable record of the commands that this agent ran; it prevents running one twice, also after crashes of the
 * process or the machine. Every change is one line of `commands.log`, flushed before the call returns: a command is
 * recorded before it starts, and its outcome before it is reported. What cannot be recorded must not run. The recording
 * methods throw the errors of the file system.
 */
export class CommandHistory {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #file: AppendFile;
  /** By {@link keyText}, in the order in which they were first recorded. */
  readonly #records = new Map<string, CommandRecord>();
  /** Lines in the file when it was last read or rewritten, and lines added since. */
  #lines = { whole: 0, added: 0 };
  #isClosed = false;
  #forgottenUpToMs = 0;

  private constructor({ folder, clock, logger }: CommandHistoryOptions) {
    this.#clock = clock;
    this.#logger = logger;
    this.#file = new AppendFile(join(folder, 'commands.log'));
  }

  /**
   * Reads the file. Throws when it cannot be read: an agent that does not know which commands it ran must not start.
   */
  static open(options: CommandHistoryOptions): CommandHistory {
    const history = new CommandHistory(options);
    history.#load();
    return history;
  }

  get size(): number {
    return this.#records.size;
  }

  /**
   * Commands that expire before this time may have been forgotten, so an unknown one may have run. This is long past,
   * unless the clock was once ahead and was set back.
   */
  get forgottenUpToMs(): number {
    return this.#forgottenUpToMs;
  }

  get(key: CommandKey): CommandRecord | undefined {
    return this.#records.get(keyText(key));
  }

  /** Commands that started and did not end. At the start of the agent: those that ran when it died. */
  unfinished(): CommandRecord[] {
    return [...this.#records.values()].filter(({ outcome }) => outcome === undefined);
  }

  /** Commands whose outcome is not confirmed yet, oldest first. */
  unkept(): CommandRecord[] {
    return [...this.#records.values()].filter(({ outcome, kept }) => outcome !== undefined && !kept);
  }

  /** On disk when it returns. Only then may the command start. */
  started(key: CommandKey, { action, expiresAtMs }: { readonly action: string; readonly expiresAtMs: number }): void {
    this.#record(startedEntry({ ...key, action, expiresAtMs, kept: false }));
  }

  /** On disk when it returns. Only then may the outcome be reported. A command that has an outcome keeps it. */
  ended(
    key: CommandKey,
    outcome: Outcome,
    { action, expiresAtMs }: Pick<CommandRecord, 'action' | 'expiresAtMs'>,
  ): void {
    this.#record(outcomeEntry({ ...key, ...(action !== undefined && { action }), expiresAtMs, kept: false }, outcome));
  }

  /** A cancel came before the command: the command will not run. */
  cancelledUnseen(key: CommandKey, outcome: Outcome): void {
    this.#dropOldestCancels();
    this.ended(key, outcome, { expiresAtMs: this.#clock.now() + LIMITS.commandExpiryMaxMs });
  }

  /** The outcome is in the journal. Not flushed: if it is lost, the outcome is reported once more. Never throws. */
  kept(key: CommandKey): void {
    const record = this.get(key);
    if (record?.outcome === undefined || record.kept) return;
    try {
      this.#record({ t: 'kept', ...key }, { durable: false });
    } catch (error) {
      this.#records.set(keyText(key), { ...record, kept: true });
      this.#logger.error('command history cannot be written', { err: error });
    }
  }

  /** Nothing can be recorded any more: the folder may now belong to another process. */
  close(): void {
    this.#isClosed = true;
    this.#file.close();
  }

  #record(entry: CommandEntry, { durable = true } = {}): void {
    const text = keyText(entry);
    const next = applyEntry(this.#records.get(text), entry);
    if (next === undefined) return;
    if (this.#isClosed) throw new Error('the command history is closed');
    if (this.#lines.added >= Math.max(SPARE_LINES, this.#lines.whole)) this.#compact();
    this.#file.append(JSON.stringify(entry), () => this.#wholeLines(), { durable });
    this.#lines.added += 1;
    this.#records.set(text, next);
  }

  #load(): void {
    const { lines, isTorn } = this.#file.read();
    let unreadable = 0;
    for (const line of lines) {
      const entry = readEntry(line);
      if (entry === undefined) unreadable += 1;
      else this.#apply(entry);
    }
    this.#lines = { whole: lines.length, added: 0 };
    if (unreadable > 0) this.#logger.error('command history has lines that cannot be read', { lines: unreadable });
    const before = this.#records.size;
    this.#prune();
    if (!isTorn && unreadable === 0 && this.#records.size === before) this.#file.resume();
    else this.#tryRewrite();
  }

  #apply(entry: HistoryEntry): void {
    if (entry.t === 'forgotten') {
      this.#forgottenUpToMs = Math.max(this.#forgottenUpToMs, entry.exp);
      return;
    }
    const text = keyText(entry);
    const next = applyEntry(this.#records.get(text), entry);
    if (next !== undefined) this.#records.set(text, next);
  }

  /** A full disk must not keep the agent from starting. If it is still full then, the first command is refused. */
  #tryRewrite(): void {
    try {
      this.#rewrite();
    } catch (error) {
      this.#logger.error('command history cannot be written', { err: error });
    }
  }

  #compact(): void {
    this.#prune();
    this.#rewrite();
  }

  #rewrite(): void {
    const lines = [...this.#wholeLines()];
    this.#file.rewrite(lines);
    this.#lines = { whole: lines.length, added: 0 };
  }

  *#wholeLines(): Iterable<string> {
    if (this.#forgottenUpToMs > 0) yield JSON.stringify({ t: 'forgotten', exp: this.#forgottenUpToMs });
    for (const record of this.#records.values()) yield* entriesOf(record).map((entry) => JSON.stringify(entry));
  }

  /**
   * Forgets commands that cannot be delivered any more. A cancel without a command is forgotten even if it was not
   * confirmed.
   */
  #prune(): void {
    const nowMs = this.#clock.now();
    for (const [text, { action, kept, expiresAtMs }] of this.#records) {
      if ((!kept && action !== undefined) || expiresAtMs + REMEMBERED_MS >= nowMs) continue;
      this.#records.delete(text);
      if (action !== undefined) this.#forgottenUpToMs = Math.max(this.#forgottenUpToMs, expiresAtMs);
    }
  }

  #dropOldestCancels(): void {
    const bare = [...this.#records].filter(([, { action }]) => action === undefined);
    for (const [text] of bare.slice(0, Math.max(0, bare.length - MAX_BARE_CANCELS + 1))) this.#records.delete(text);
  }
}
