import type { CommandReport } from '@muster/messages';
import { isTerminal, type CommandId, type GatewayId } from '@muster/protocol';
import type { Directory } from '@muster/directory';
import type { Logger } from '@muster/runtime';
import type { JournalProjection } from '../journal/journal-projection.js';
import type { OpenCommand } from '../journal/open-command.js';
import type { AckSender } from './ack-sender.js';
import type { OutcomeWriter } from './outcome-writer.js';
import type { ReceivedReport } from './early-reports.js';
import { isTargetOf } from './report-handler.js';

export interface LateReportsOptions {
  readonly projection: Pick<JournalProjection, 'load'>;
  readonly directory: Pick<Directory, 'byNum'>;
  readonly logger: Logger;
  readonly kept: Pick<AckSender, 'add'>;
  readonly writer: Pick<OutcomeWriter, 'add'>;
}

const MAX_WAITING = 5_000;
const CONCURRENT = 4;

/**
 * Outcomes of commands that have ended: repeated because the word that they are kept was lost, or told by an endpoint that was given up. The
 * command is read from the journal again, a few at a time; what does not fit is said again by the agents.
 */
export class LateReports {
  readonly #options: LateReportsOptions;
  readonly #waiting = new Map<CommandId, ReceivedReport[]>();
  #count = 0;
  #reading = 0;

  constructor(options: LateReportsOptions) {
    this.#options = options;
  }

  /** False when too many wait. */
  add(report: CommandReport, gateway: GatewayId): boolean {
    if (this.#count >= MAX_WAITING) return false;
    this.#count += 1;
    const waiting = this.#waiting.get(report.id);
    if (waiting === undefined) this.#waiting.set(report.id, [{ report, gateway }]);
    else waiting.push({ report, gateway });
    if (this.#reading < CONCURRENT) void this.#readAll();
    return true;
  }

  async #readAll(): Promise<void> {
    this.#reading += 1;
    for (const [id, reports] of this.#waiting) {
      this.#waiting.delete(id);
      this.#count -= reports.length;
      const org = reports[0]?.report.org;
      try {
        const command = org === undefined ? undefined : await this.#options.projection.load(org, id);
        if (command === undefined) this.#strange(id, reports);
        else for (const { report, gateway } of reports) this.#settle(command, report, gateway);
      } catch (error) {
        this.#options.logger.warn('a command that has ended cannot be read again', { command: id, err: error });
      }
    }
    this.#reading -= 1;
  }

  /** The journal has no such command (any more): there is nothing to keep it for, and no reason to repeat it for ever. */
  #strange(id: CommandId, reports: readonly ReceivedReport[]): void {
    this.#options.logger.warn('an outcome of a command that is not in the journal', {
      command: id,
      count: reports.length,
    });
    for (const { report, gateway } of reports) this.#options.kept.add(gateway, report);
  }

  #settle(command: OpenCommand, report: CommandReport, gateway: GatewayId): void {
    const { directory, kept, writer } = this.#options;
    if (!isTargetOf(command, report, directory)) return;
    const known = command.fold.state(report.number);
    if (!isTerminal(known)) return;
    if (known === report.state || command.fold.late(report.number) !== undefined || !report.authentic) {
      kept.add(gateway, report);
    } else writer.add(command, report, gateway);
  }
}
