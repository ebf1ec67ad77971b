import type { ReportBody } from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime/program';
import type { CommandHistory } from './command-history.js';
import { type CommandKey, type CommandRecord, keyText, type Outcome } from './history-entry.js';
import { ReportSender, type SendReport } from './report-sender.js';

export interface OutcomesOptions {
  readonly history: CommandHistory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: () => number;
  /** Called when the last outcome that was to be confirmed is. */
  readonly onAllKept?: () => void;
}

const MAX_UNWRITTEN = 1_000;
/** How soon to try again to write down how a command ended. */
const NOTE_AGAIN_MS = 5_000;

/**
 * How commands ended: written down first, then said until somebody else has it. What ran is not said as long as it cannot be written down: a crash
 * would make it another outcome. What did not run can be said all the same, and is kept in mind until the agent ends.
 */
export class Outcomes {
  readonly #options: OutcomesOptions;
  readonly #reports: ReportSender;
  /** Of what ran: not written down yet. */
  readonly #unnoted = new Map<string, Timer>();
  /** Of what did not run: could not be written down. */
  readonly #unwritten = new Map<string, Outcome>();
  #isStopped = false;

  constructor(options: OutcomesOptions) {
    this.#options = options;
    this.#reports = new ReportSender({
      clock: options.clock,
      ...(options.random !== undefined && { random: options.random }),
      onKept: (key) => {
        options.history.kept(key);
        if (this.#reports.pending === 0) options.onAllKept?.();
      },
    });
    this.#recover();
  }

  attach(send: SendReport): void {
    this.#reports.attach(send);
  }

  detach(): void {
    this.#reports.detach();
  }

  onWritable(): void {
    this.#reports.resume();
  }

  onKept(key: CommandKey): void {
    this.#reports.kept(key);
  }

  /** Says again how it ended, if it did. `false` when nothing is known of it. */
  repeat(key: CommandKey): boolean {
    const record = this.#options.history.get(key);
    const outcome = record?.outcome ?? this.#unwritten.get(keyText(key));
    if (outcome !== undefined) this.#reports.settle(key, outcome);
    return record !== undefined || outcome !== undefined;
  }

  /** Said once, and not remembered: how it goes, or why it is not believed. */
  mention(report: ReportBody): void {
    this.#reports.mention(report);
  }

  settle(record: CommandRecord, outcome: Outcome): void {
    const { clock, history, logger } = this.#options;
    this.#unnoted.delete(keyText(record));
    try {
      history.ended(record, outcome, record);
      this.#reports.settle(record, history.get(record)?.outcome ?? outcome);
    } catch (error) {
      logger.error('how a command ended cannot be written down', { command: record.id, err: error });
      if (history.get(record) === undefined) return this.keepInMind(record, outcome);
      if (this.#isStopped) return;
      this.#unnoted.set(
        keyText(record),
        clock.setTimeout(() => this.settle(record, outcome), NOTE_AGAIN_MS),
      );
    }
  }

  /** A cancel came before the command: it will not run. */
  cancelUnseen(key: CommandKey, outcome: Outcome): void {
    try {
      this.#options.history.cancelledUnseen(key, outcome);
      this.#reports.settle(key, outcome);
    } catch (error) {
      this.#options.logger.error('a cancel cannot be written down', { command: key.id, err: error });
      this.keepInMind(key, outcome);
    }
  }

  /** It did not run and will not; that cannot be written down. */
  keepInMind(key: CommandKey, outcome: Outcome): void {
    if (this.#unwritten.size >= MAX_UNWRITTEN) this.#unwritten.delete(this.#unwritten.keys().next().value ?? '');
    this.#unwritten.set(keyText(key), outcome);
    this.#reports.settle(key, outcome);
  }

  /** Nothing is said or written down any more. */
  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#unnoted.values()) this.#options.clock.clear(timer);
    this.#reports.stop();
    this.#options.history.close();
  }

  /** What the agent was doing when it died has failed; what it did not get rid of is said again. */
  #recover(): void {
    const { history, logger } = this.#options;
    const unkept = history.unkept();
    for (const record of history.unfinished()) {
      logger.warn('the agent died while this command ran', { command: record.id, number: record.number });
      this.settle(record, INTERRUPTED);
    }
    for (const record of unkept) if (record.outcome !== undefined) this.#reports.settle(record, record.outcome);
  }
}

const INTERRUPTED: Outcome = {
  state: 'failed',
  code: 'interrupted',
  message: 'the agent ended while it ran; what it did before is not known, and it is not run again',
};
