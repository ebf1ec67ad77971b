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

/** A delivery can still be on its way this long after a command's expiry. */
const REMEMBERED_MS = 24 * 3_600_000;
/** New lines before the file is written anew, without what was forgotten since; more in a ledger that is longer. */
const SPARE_LINES = 512;
/** A cancel is not signed, so anybody who can put frames into a session can make the agent note one. */
const MAX_BARE_CANCELS = 1_000;

/**
 * What this agent has run, through crashes of its process and of the machine: the reason why nothing runs twice. Every change is one line of
 * `commands.log`, flushed before the call returns, so a command is noted before it begins and its outcome before anybody hears of it. What
 * cannot be noted must not run: the calls that note throw what the file system throws.
 */
export class CommandHistory {
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #file: AppendFile;
  /** By {@link keyText}, in the order in which they were first noted. */
  readonly #records = new Map<string, CommandRecord>();
  /** Of the file as it was written or read as a whole, and since. */
  #lines = { whole: 0, added: 0 };
  #isClosed = false;
  #forgottenUpToMs = 0;

  private constructor({ folder, clock, logger }: CommandHistoryOptions) {
    this.#clock = clock;
    this.#logger = logger;
    this.#file = new AppendFile(join(folder, 'commands.log'));
  }

  /** Reads what is on disk. Throws when it cannot be read: an agent that does not know what it ran must not run. */
  static open(options: CommandHistoryOptions): CommandHistory {
    const history = new CommandHistory(options);
    history.#load();
    return history;
  }

  get size(): number {
    return this.#records.size;
  }

  /**
   * What expires up to then may have been forgotten, so a command that is not known may have run. Always long past, unless the clock was
   * ahead once and was set back.
   */
  get forgottenUpToMs(): number {
    return this.#forgottenUpToMs;
  }

  get(key: CommandKey): CommandRecord | undefined {
    return this.#records.get(keyText(key));
  }

  /** Those that began and did not end: at the start of the agent, what it was doing when it died. */
  unfinished(): CommandRecord[] {
    return [...this.#records.values()].filter(({ outcome }) => outcome === undefined);
  }

  /** Those whose outcome nobody has confirmed, the oldest first. */
  unkept(): CommandRecord[] {
    return [...this.#records.values()].filter(({ outcome, kept }) => outcome !== undefined && !kept);
  }

  /** On disk when it returns; only then may the command begin. */
  started(key: CommandKey, { action, expiresAtMs }: { readonly action: string; readonly expiresAtMs: number }): void {
    this.#note(startedEntry({ ...key, action, expiresAtMs, kept: false }));
  }

  /** On disk when it returns; only then may it be reported. What has an outcome keeps it. */
  ended(
    key: CommandKey,
    outcome: Outcome,
    { action, expiresAtMs }: Pick<CommandRecord, 'action' | 'expiresAtMs'>,
  ): void {
    this.#note(outcomeEntry({ ...key, ...(action !== undefined && { action }), expiresAtMs, kept: false }, outcome));
  }

  /** A cancel came before the command did: it will not run. */
  cancelledUnseen(key: CommandKey, outcome: Outcome): void {
    this.#dropOldestCancels();
    this.ended(key, outcome, { expiresAtMs: this.#clock.now() + LIMITS.commandExpiryMaxMs });
  }

  /** Not flushed: what is lost costs one more report. Never throws. */
  kept(key: CommandKey): void {
    const record = this.get(key);
    if (record?.outcome === undefined || record.kept) return;
    try {
      this.#note({ t: 'kept', ...key }, { durable: false });
    } catch (error) {
      this.#records.set(keyText(key), { ...record, kept: true });
      this.#logger.error('command history cannot be written', { err: error });
    }
  }

  /** Nothing can be noted from now on: the folder may belong to another process. */
  close(): void {
    this.#isClosed = true;
    this.#file.close();
  }

  #note(entry: CommandEntry, { durable = true } = {}): void {
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

  /** A disk that is full must not keep the agent from starting; the first command will be refused if it still is. */
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

  /** Forgets what nobody can deliver any more. A cancel that no command ever followed is not worth keeping for ever, confirmed or not. */
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
