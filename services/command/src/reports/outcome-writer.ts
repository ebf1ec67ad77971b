import type { CommandReport } from '@muster/messages';
import { isTerminal, canTransition, type CommandId, type GatewayId } from '@muster/protocol';
import { encodeNumberSet, type StateChange } from '@muster/records';
import type { Clock, Timer } from '@muster/runtime';
import type { CommandAudit } from '../journal/command-audit.js';
import type { JournalProjection } from '../journal/journal-projection.js';
import type { JournalWriter } from '../journal/journal-writer.js';
import type { OpenCommand } from '../journal/open-command.js';
import type { ReceivedReport } from './early-reports.js';
import type { AckSender } from './ack-sender.js';

export interface OutcomeWriterOptions {
  readonly clock: Clock;
  readonly writer: Pick<JournalWriter, 'append'>;
  readonly projection: Pick<JournalProjection, 'folded'>;
  readonly kept: Pick<AckSender, 'add'>;
  readonly audit: Pick<CommandAudit, 'outcome'>;
}

interface Batch {
  readonly command: OpenCommand;
  /** By target number: the furthest that was reported. */
  reports: Map<number, ReceivedReport>;
  writing: boolean;
}

/** That something has begun may wait this long, so that what ends at once is one entry and not three. */
const PROGRESS_WAIT_MS = 30;
/** One entry, about. */
const ENTRY_BYTES = 256 * 1024;
/** Agents repeat outcomes; they need not be held here for long. */
const PATIENCE_MS = 5_000;

/**
 * Writes what agents reported into the journal: for one command one entry at a time, so that what comes meanwhile is taken together in the
 * next; equal outcomes are one change of many targets. Then tells the gateways what is kept.
 */
export class OutcomeWriter {
  readonly #options: OutcomeWriterOptions;
  readonly #batches = new Map<CommandId, Batch>();
  readonly #due = new Set<Batch>();
  readonly #writing = new Set<Promise<void>>();
  #timer: Timer | undefined;
  #scheduled = false;

  constructor(options: OutcomeWriterOptions) {
    this.#options = options;
  }

  /** False when it says nothing new. */
  add(command: OpenCommand, report: CommandReport, gateway: GatewayId): boolean {
    const { number, state } = report;
    const known = command.fold.state(number);
    // A copy that is behind may still call it queued; only the journal decides.
    if (!isTerminal(state) && known !== 'queued' && !canTransition(known, state)) return false;
    const batch = this.#batches.get(command.id) ?? {
      command,
      reports: new Map<number, ReceivedReport>(),
      writing: false,
    };
    const waiting = batch.reports.get(number);
    if (waiting !== undefined && !canTransition(waiting.report.state, state)) return false;
    this.#batches.set(command.id, batch);
    batch.reports.set(number, { report, gateway });
    if (isTerminal(state)) this.#flushSoon(batch);
    else this.#timer ??= this.#options.clock.setTimeout(() => this.#flushAll(), PROGRESS_WAIT_MS);
    return true;
  }

  /** Resolves when everything that was taken is written or given up. */
  async idle(): Promise<void> {
    this.#flushAll();
    while (this.#writing.size > 0) await Promise.all(this.#writing);
  }

  #flushAll(): void {
    this.#options.clock.clear(this.#timer);
    this.#timer = undefined;
    for (const batch of this.#batches.values()) this.#begin(batch);
  }

  /** With all that comes in the same turn of the event loop. */
  #flushSoon(batch: Batch): void {
    this.#due.add(batch);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      for (const each of this.#due) this.#begin(each);
      this.#due.clear();
    });
  }

  #begin(batch: Batch): void {
    if (batch.writing || batch.reports.size === 0) return;
    batch.writing = true;
    const writing: Promise<void> = this.#write(batch).finally(() => {
      batch.writing = false;
      this.#writing.delete(writing);
      if (batch.reports.size === 0) this.#batches.delete(batch.command.id);
      else this.#begin(batch);
    });
    this.#writing.add(writing);
  }

  async #write(batch: Batch): Promise<void> {
    const { writer, clock, projection, audit } = this.#options;
    const reports = [...batch.reports.values()];
    batch.reports = new Map();
    for (const part of inParts(reports)) {
      const entry = { t: 'states', atMs: clock.now(), changes: changesOf(part) } as const;
      const result = await writer.append(batch.command, entry, { patienceMs: PATIENCE_MS });
      // Given up: the agents will say it again.
      if (result.kind !== 'appended') continue;
      audit.outcome(batch.command, entry, result);
      void projection.folded(result.seq).then((isFolded) => {
        if (isFolded) this.#tellKept(batch.command, part);
      });
    }
  }

  #tellKept({ fold }: OpenCommand, reports: readonly ReceivedReport[]): void {
    for (const { report, gateway } of reports) {
      if (isTerminal(report.state) && isTerminal(fold.state(report.number))) this.#options.kept.add(gateway, report);
    }
  }
}

/** Equal outcomes are one change. */
function changesOf(reports: readonly ReceivedReport[]): StateChange[] {
  const groups = new Map<string, { readonly report: CommandReport; readonly targets: number[] }>();
  for (const { report } of reports) {
    const { state, code, message, effects } = report;
    const key = JSON.stringify([state, code, message, effects ?? null]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { report, targets: [report.number] });
    else group.targets.push(report.number);
  }
  return Array.from(groups.values(), ({ report: { state, code, message, effects }, targets }) => ({
    ...{ state, targets: encodeNumberSet(targets), code, message },
    ...(effects === undefined || effects.length === 0 ? {} : { effects: [...effects] }),
  }));
}

function* inParts(reports: readonly ReceivedReport[]): Generator<readonly ReceivedReport[]> {
  let part: ReceivedReport[] = [];
  let bytes = 0;
  for (const received of reports) {
    const { code, message, effects = [] } = received.report;
    part.push(received);
    bytes += 40 + code.length + 3 * message.length + effects.reduce((sum, line) => sum + 3 * line.length, 0);
    if (bytes < ENTRY_BYTES) continue;
    yield part;
    [part, bytes] = [[], 0];
  }
  if (part.length > 0) yield part;
}
