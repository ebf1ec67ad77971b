import { isTerminal, canTransition, type CommandId, type CommandState } from '@muster/protocol';
import { encodeNumberSet, type StateChange } from '@muster/records';
import type { Clock, Timer } from '@muster/runtime';
import type { JournalProjection } from '../journal/journal-projection.js';
import type { JournalWriter } from '../journal/journal-writer.js';
import type { OpenCommand } from '../journal/open-command.js';
import type { AckSender } from './ack-sender.js';
import type { ReceivedReport } from './received-report.js';

export interface OutcomeWriterOptions {
  readonly clock: Clock;
  readonly writer: Pick<JournalWriter, 'append'>;
  readonly projection: Pick<JournalProjection, 'folded'>;
  readonly acks: Pick<AckSender, 'add'>;
}

interface Batch {
  readonly command: OpenCommand;
  /** By target number: the report with the latest state. */
  reports: Map<number, Due>;
  writing: boolean;
}

interface Due {
  readonly received: ReceivedReport;
  /** The state to write. */
  readonly state: CommandState;
}

/** Progress waits this long, so that a short action is one entry and not three. */
const PROGRESS_WAIT_MS = 30;
/** About the size of one entry. */
const ENTRY_BYTES = 256 * 1024;
/** Agents repeat reports, so an append is not retried for long. */
const PATIENCE_MS = 5_000;

/**
 * Writes reported outcomes to the journal and then acknowledges them. A command has one entry under way at a time; what
 * arrives meanwhile goes into the next entry. Equal outcomes become one change of many targets.
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

  /** False when the report says nothing new. */
  add(command: OpenCommand, received: ReceivedReport): boolean {
    const { number, state } = received.report;
    const known = command.fold.state(number);
    // This projection may be behind and still say queued; the journal decides.
    if (!isTerminal(state) && known !== 'queued' && !canTransition(known, state)) return false;
    return this.#add(command, { received, state });
  }

  /** Notes why the endpoint does not run it now. The target stays open. False when that is known. */
  note(command: OpenCommand, received: ReceivedReport): boolean {
    const { number, code } = received.report;
    // That it was accepted a moment before is not worth an entry.
    const reports = this.#batches.get(command.id)?.reports;
    if (reports?.get(number)?.state === 'accepted') reports.delete(number);
    return command.fold.outcome(number)?.code !== code && this.#add(command, { received, state: 'sent' });
  }

  #add(command: OpenCommand, due: Due): boolean {
    const { number } = due.received.report;
    const batch = this.#batches.get(command.id) ?? {
      command,
      reports: new Map<number, Due>(),
      writing: false,
    };
    const waiting = batch.reports.get(number);
    if (waiting !== undefined && !canTransition(waiting.state, due.state)) return false;
    this.#batches.set(command.id, batch);
    batch.reports.set(number, due);
    if (isTerminal(due.state)) this.#flushSoon(batch);
    else this.#timer ??= this.#options.clock.setTimeout(() => this.#flushAll(), PROGRESS_WAIT_MS);
    return true;
  }

  /** Resolves when everything that was added is written or given up. */
  async idle(): Promise<void> {
    this.#flushAll();
    while (this.#writing.size > 0) await Promise.all(this.#writing);
  }

  #flushAll(): void {
    this.#options.clock.clear(this.#timer);
    this.#timer = undefined;
    for (const batch of this.#batches.values()) this.#begin(batch);
  }

  /** Flushes at the end of this turn of the event loop. */
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
    if (batch.writing) return;
    if (batch.reports.size === 0) return void this.#batches.delete(batch.command.id);
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
    const { writer, clock, projection } = this.#options;
    const reports = [...batch.reports.values()];
    batch.reports = new Map();
    for (const part of inParts(reports)) {
      const entry = { t: 'states', atMs: clock.now(), changes: changesOf(part) } as const;
      const result = await writer.append(batch.command, entry, { patienceMs: PATIENCE_MS });
      // The agents repeat it.
      if (result.kind !== 'appended') continue;
      void projection.folded(result.seq).then((isFolded) => {
        if (isFolded) this.#acknowledge(batch.command, part);
      });
    }
  }

  #acknowledge({ fold }: OpenCommand, reports: readonly Due[]): void {
    for (const { received, state } of reports) {
      if (isTerminal(state) && isTerminal(fold.state(received.report.number))) this.#options.acks.add(received);
    }
  }
}

/** Equal outcomes are one change. */
function changesOf(reports: readonly Due[]): StateChange[] {
  const groups = new Map<string, Omit<StateChange, 'targets'> & { readonly targets: number[] }>();
  for (const { received, state } of reports) {
    const { number, code, message, effects } = received.report;
    const key = JSON.stringify([state, code, message, effects ?? null]);
    const group = groups.get(key);
    if (group !== undefined) group.targets.push(number);
    else groups.set(key, { state, code, message, ...(effects === undefined ? {} : { effects }), targets: [number] });
  }
  return Array.from(groups.values(), ({ state, code, message, effects, targets }) => ({
    ...{ state, targets: encodeNumberSet(targets), code, message },
    ...(effects === undefined || effects.length === 0 ? {} : { effects: [...effects] }),
  }));
}

function* inParts(reports: readonly Due[]): Generator<readonly Due[]> {
  let part: Due[] = [];
  let bytes = 0;
  for (const due of reports) {
    const { code, message, effects = [] } = due.received.report;
    part.push(due);
    bytes += 40 + code.length + 3 * message.length + effects.reduce((sum, line) => sum + 3 * line.length, 0);
    if (bytes < ENTRY_BYTES) continue;
    yield part;
    [part, bytes] = [[], 0];
  }
  if (part.length > 0) yield part;
}
