import { join } from 'node:path';
import { idTimeMs, LIMITS } from '@muster/protocol';
import type { Logger } from '@muster/runtime/program';
import { CheckedLog } from '../../store/checked-log.js';
import type { AgreedTime } from './agreed-time.js';
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
  readonly time: AgreedTime;
  readonly logger: Logger;
}

/** What the history keeps of a command, besides its outcome. */
export type CommandFacts = Pick<CommandRecord, 'action' | 'expiresAtMs' | 'signedAtMs'>;

/** A delivery can still arrive this long after a command's expiry. */
const LATE_MS = 24 * 3_600_000;
/** Lines added before the file is compacted; a longer file gets more. */
const SPARE_LINES = 512;
/** Cancels are not signed, so whoever can inject frames can make the agent record them: their number is bounded. */
const MAX_BARE_CANCELS = 1_000;

/**
 * The durable record of the commands that this agent ran; it prevents running one twice, also after crashes of the
 * process or the machine. Every change is one line of `commands.log`, flushed before the call returns: a command is
 * recorded before it starts, and its outcome before it is reported. What cannot be recorded must not run. The recording
 * methods throw the errors of the file system.
 *
 * Two marks, both times of signatures, say what it does not know. Up to `forgottenUpToMs` it forgot what ran; all of that
 * has expired. Up to `lostUpToMs` records were lost by damage: of an unknown command nobody knows whether it ran.
 */
export class CommandHistory {
  readonly #time: AgreedTime;
  readonly #logger: Logger;
  readonly #file: CheckedLog;
  /** By {@link keyText}, in the order in which they were first recorded. */
  readonly #records = new Map<string, CommandRecord>();
  /** Lines in the file when it was last read or rewritten, and lines added since. */
  #lines = { whole: 0, added: 0 };
  #isClosed = false;
  #forgottenUpToMs = 0;
  #lostUpToMs = 0;
  /** Records were lost, and no session has told the time since. */
  #isLossOpen = false;

  private constructor({ folder, time, logger }: CommandHistoryOptions) {
    this.#time = time;
    this.#logger = logger;
    this.#file = new CheckedLog(join(folder, 'commands.log'));
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

  /** An unknown command that was signed up to then has expired, whatever the clock says. */
  get forgottenUpToMs(): number {
    return this.#forgottenUpToMs;
  }

  /** An unknown command that was signed up to then may have run. */
  get lostUpToMs(): number {
    return this.#isLossOpen ? Number.POSITIVE_INFINITY : this.#lostUpToMs;
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

  /**
   * A session began, so the time is known. What ran before it was signed before it: a loss of records ends here. Call it
   * before commands of that session are taken.
   */
  sessionBegan(): void {
    // A gateway whose clock is wrong cannot shut the endpoint for longer than a command may live.
    const nowMs = this.#time.gatewayMs(LIMITS.commandExpiryMaxMs);
    const hadLoss = this.#isLossOpen && nowMs !== undefined;
    if (hadLoss) {
      this.#lostUpToMs = Math.max(this.#lostUpToMs, nowMs);
      this.#isLossOpen = false;
      const upTo = new Date(this.#lostUpToMs).toISOString();
      this.#logger.warn('commands that were signed before this and are not known here are not run', { upTo });
    }
    if (this.#prune() || hadLoss) this.#tryRewrite();
  }

  /** On disk when it returns. Only then may the command start. */
  started(key: CommandKey, facts: CommandFacts): void {
    this.#record(startedEntry({ ...key, ...facts, kept: false }));
  }

  /** On disk when it returns. Only then may the outcome be reported. A command that has an outcome keeps it. */
  ended(key: CommandKey, outcome: Outcome, { action, expiresAtMs, signedAtMs }: CommandFacts): void {
    this.#record(outcomeEntry({ ...key, action, expiresAtMs, signedAtMs, kept: false }, outcome));
  }

  /** A cancel came before the command: the command will not run. */
  cancelledUnseen(key: CommandKey, outcome: Outcome): void {
    this.#dropOldestCancels();
    const signedAtMs = idTimeMs(key.id);
    this.ended(key, outcome, { signedAtMs, expiresAtMs: signedAtMs + LIMITS.commandExpiryMaxMs });
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
    if (this.#lines.added >= Math.max(SPARE_LINES, this.#lines.whole)) {
      this.#prune();
      // Where there is no room for a second file, there may be room for a line.
      this.#tryRewrite();
    }
    this.#file.append(entry, () => this.#wholeLines(), { durable });
    this.#lines.added += 1;
    this.#records.set(text, next);
  }

  #load(): void {
    const { entries, damage, isWhole } = this.#file.read();
    const read = entries.map(readEntry);
    const strange = read.filter((entry) => entry === undefined).length;
    for (const entry of read) if (entry !== undefined) this.#apply(entry);
    this.#lines = { whole: entries.length, added: 0 };
    const faults = strange > 0 ? [...damage, `${strange} lines that are no entries`] : damage;
    if (faults.length > 0) {
      this.#isLossOpen = true;
      this.#logger.error('command history is damaged: what is missing in it may have run', { damage: faults });
    }
    if (!isWhole || faults.length > 0) this.#tryRewrite();
  }

  #apply(entry: HistoryEntry): void {
    if (entry.t === 'forgotten') {
      this.#forgottenUpToMs = Math.max(this.#forgottenUpToMs, entry.iat ?? entry.exp ?? 0);
    } else if (entry.t === 'lost') {
      if (entry.iat === null) this.#isLossOpen = true;
      else this.#lostUpToMs = Math.max(this.#lostUpToMs, entry.iat);
    } else {
      const text = keyText(entry);
      const next = applyEntry(this.#records.get(text), entry);
      if (next !== undefined) this.#records.set(text, next);
    }
  }

  /** A full disk must not keep the agent from starting. If it is still full then, the first command waits. */
  #tryRewrite(): void {
    try {
      const lines = [...this.#wholeLines()];
      this.#file.rewrite(lines);
      this.#lines = { whole: lines.length, added: 0 };
    } catch (error) {
      this.#logger.error('command history cannot be written', { err: error });
    }
  }

  *#wholeLines(): Iterable<HistoryEntry> {
    if (this.#forgottenUpToMs > 0) yield { t: 'forgotten', iat: this.#forgottenUpToMs };
    if (this.#lostUpToMs > 0) yield { t: 'lost', iat: this.#lostUpToMs };
    if (this.#isLossOpen) yield { t: 'lost', iat: null };
    for (const record of this.#records.values()) yield* entriesOf(record);
  }

  /**
   * Forgets a command when all that was signed no later has expired, by both clocks. A cancel without a command is
   * forgotten even if it was not confirmed. `true` when something was forgotten.
   */
  #prune(): boolean {
    const nowMs = this.#time.earliestMs;
    const before = this.#records.size;
    for (const [text, { action, kept, expiresAtMs, signedAtMs = expiresAtMs }] of this.#records) {
      const endMs = Math.max(expiresAtMs, signedAtMs + LIMITS.commandExpiryMaxMs) + LATE_MS;
      if ((!kept && action !== undefined) || nowMs === undefined || endMs >= nowMs) continue;
      this.#records.delete(text);
      if (action !== undefined) this.#forgottenUpToMs = Math.max(this.#forgottenUpToMs, signedAtMs);
    }
    return this.#records.size < before;
  }

  #dropOldestCancels(): void {
    const bare = [...this.#records].filter(([, { action }]) => action === undefined);
    for (const [text] of bare.slice(0, Math.max(0, bare.length - MAX_BARE_CANCELS + 1))) this.#records.delete(text);
  }
}
