import type { ReportBody } from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime/program';
import { LRUCache } from 'lru-cache';
import type { CommandHistory } from './command-history.js';
import { type CommandKey, type CommandRecord, keyText, type Outcome } from './history-entry.js';
import { ReportSender, type SendReport } from './report-sender.js';

export interface OutcomesOptions {
  readonly history: CommandHistory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: () => number;
  /** Called when no outcome waits for its confirmation any more. */
  readonly onAllKept?: () => void;
}

const MAX_UNRECORDED = 1_000;
/** When to try again to record something. */
export const RETRY_MS = 5_000;
const STAYS_TRUE: ReadonlySet<string> = new Set(['cancelled', 'expired']);

/**
 * The outcomes of commands: first recorded in the history, then reported until they are confirmed. While an outcome
 * cannot be recorded, it is not told, because a crash would make it untrue: the command would run, or have another
 * outcome. Only what stays true by itself is told at once: who cancelled a command does not deliver it again, and what
 * expired stays expired.
 */
export class Outcomes {
  readonly #options: OutcomesOptions;
  readonly #reports: ReportSender;
  /** Retries for outcomes that are not recorded yet. */
  readonly #retries = new Map<string, Timer>();
  /** Outcomes that were told and could not be recorded. */
  readonly #unrecorded = new LRUCache<string, Outcome>({ max: MAX_UNRECORDED });
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

  /** Reports again what is known. `false` when the command is unknown. */
  repeat(key: CommandKey): boolean {
    const record = this.#options.history.get(key);
    const outcome = record?.outcome ?? this.#unrecorded.peek(keyText(key));
    if (outcome !== undefined) this.#reports.settle(key, outcome);
    else if (this.#retries.has(keyText(key))) this.mention(unrecordable(key, { hasRun: record !== undefined }));
    return record !== undefined || outcome !== undefined || this.#retries.has(keyText(key));
  }

  /** Reports once, without a confirmation: progress, or why a command is not authentic. */
  mention(report: ReportBody): void {
    this.#reports.mention(report);
  }

  settle(record: CommandRecord, outcome: Outcome): void {
    const { clock, history, logger } = this.#options;
    const isFirst = !this.#retries.delete(keyText(record));
    try {
      history.ended(record, outcome, record);
      this.#reports.settle(record, history.get(record)?.outcome ?? outcome);
    } catch (error) {
      logger.error('the outcome of a command cannot be recorded', { command: record.id, err: error });
      const hasRun = history.get(record) !== undefined;
      if (!hasRun && STAYS_TRUE.has(outcome.state)) return this.#keepInMemory(record, outcome);
      // Of too many that did not run the rest is forgotten: nothing was told of them, and they are delivered again.
      if (this.#isStopped || (!hasRun && this.#retries.size >= MAX_UNRECORDED)) return;
      if (isFirst) this.mention(unrecordable(record, { hasRun }));
      this.#retries.set(
        keyText(record),
        clock.setTimeout(() => this.settle(record, outcome), RETRY_MS),
      );
    }
  }

  /** A cancel came before the command: the command will not run. */
  cancelUnseen(key: CommandKey, outcome: Outcome): void {
    try {
      this.#options.history.cancelledUnseen(key, outcome);
      this.#reports.settle(key, outcome);
    } catch (error) {
      this.#options.logger.error('a cancel cannot be recorded', { command: key.id, err: error });
      this.#keepInMemory(key, outcome);
    }
  }

  /** Nothing is reported or recorded any more. */
  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#retries.values()) this.#options.clock.clear(timer);
    this.#reports.stop();
    this.#options.history.close();
  }

  /** The command did not and will not run, which cannot be recorded. */
  #keepInMemory(key: CommandKey, outcome: Outcome): void {
    this.#unrecorded.set(keyText(key), outcome);
    this.#reports.settle(key, outcome);
  }

  /** Commands that ran when the agent died have failed. Outcomes that were not confirmed are reported again. */
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

/** What is told of a command while its start or its outcome cannot be recorded. */
export function unrecordable({ id, number }: CommandKey, { hasRun }: { readonly hasRun: boolean }): ReportBody {
  if (hasRun) return { id, number, state: 'running', code: '', message: '', authentic: true };
  const message = 'this endpoint cannot write down what it runs; is its disk full?';
  return { id, number, state: 'accepted', code: 'ledger_unavailable', message, authentic: true };
}

const INTERRUPTED: Outcome = {
  state: 'failed',
  code: 'interrupted',
  message: 'the agent ended while it ran; what it did before is not known, and it is not run again',
};
