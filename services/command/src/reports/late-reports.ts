import { isTerminal, type CommandId } from '@muster/protocol';
import type { Directory } from '@muster/directory';
import type { Clock, Logger } from '@muster/runtime';
import type { JournalProjection } from '../journal/journal-projection.js';
import { saysNoRoom } from '../journal/no-room.js';
import type { OpenCommand } from '../journal/open-command.js';
import type { AckSender } from './ack-sender.js';
import { AgentShares } from './agent-shares.js';
import type { OutcomeWriter } from './outcome-writer.js';
import { isFromTarget, type ReceivedReport } from './received-report.js';

export interface LateReportsOptions {
  readonly projection: Pick<JournalProjection, 'load'>;
  readonly directory: Pick<Directory, 'byNum'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly acks: Pick<AckSender, 'add'>;
  readonly outcomes: Pick<OutcomeWriter, 'add'>;
}

const MAX_WAITING = 5_000;
const CONCURRENT = 4;
/** Agents can name any number of commands that never were. */
const LOG_EVERY_MS = 60_000;

/**
 * Authentic reports about commands that have ended: the acknowledgement was lost, or the endpoint reports after its target timed out.
 * The command is read from the journal again, a few at a time. Agents repeat what does not fit into the queue.
 */
export class LateReports {
  readonly #options: LateReportsOptions;
  readonly #waiting = new Map<CommandId, ReceivedReport[]>();
  readonly #shares = new AgentShares();
  #count = 0;
  #reading = 0;
  /** Reports about unknown commands since the last line in the log, and when that was. */
  #unknown = 0;
  #loggedAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: LateReportsOptions) {
    this.#options = options;
  }

  /** False when too many wait, of all agents or of this one. */
  add(received: ReceivedReport): boolean {
    const { id, agentId } = received.report;
    if (this.#count >= MAX_WAITING || !this.#shares.take(agentId)) return false;
    this.#count += 1;
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) this.#waiting.set(id, [received]);
    else waiting.push(received);
    if (this.#reading < CONCURRENT) void this.#readAll();
    return true;
  }

  async #readAll(): Promise<void> {
    this.#reading += 1;
    for (const [id, reports] of this.#waiting) {
      this.#waiting.delete(id);
      this.#count -= reports.length;
      for (const { report } of reports) this.#shares.giveBack(report.agentId);
      const org = reports[0]?.report.org;
      try {
        const command = org === undefined ? undefined : await this.#options.projection.load(org, id);
        if (command === undefined) this.#acknowledgeUnknown(id, reports);
        else for (const each of reports) this.#settle(command, each);
      } catch (error) {
        this.#options.logger.warn('ended command cannot be read from the journal', { command: id, err: error });
      }
    }
    this.#reading -= 1;
  }

  /** The journal has no such command, or not any more. Without an acknowledgement the agent would repeat it for ever. */
  #acknowledgeUnknown(id: CommandId, reports: readonly ReceivedReport[]): void {
    for (const each of reports) this.#options.acks.add(each);
    this.#unknown += reports.length;
    const { clock, logger } = this.#options;
    if (clock.monotonic() - this.#loggedAtMs < LOG_EVERY_MS) return;
    logger.warn('reports about commands that are not in the journal', { latest: id, count: this.#unknown });
    this.#loggedAtMs = clock.monotonic();
    this.#unknown = 0;
  }

  #settle(command: OpenCommand, received: ReceivedReport): void {
    const { report } = received;
    const { directory, acks, outcomes } = this.#options;
    if (!isFromTarget(report, command, directory)) return;
    const known = command.fold.state(report.number);
    if (!isTerminal(known)) return;
    const isKnown = known === report.state || command.fold.late(report.number) !== undefined;
    if (isKnown || saysNoRoom(report)) acks.add(received);
    else outcomes.add(command, received);
  }
}
