import type { Bus, BusSubscription } from '@muster/bus';
import type { Directory } from '@muster/directory';
import { decodeBusMessage, SUBJECTS, type CommandReport, type CommandReports } from '@muster/messages';
import { isTerminal, type GatewayId } from '@muster/protocol';
import type { Clock, Logger, Timer } from '@muster/runtime';
import type { CommandAudit } from '../journal/command-audit.js';
import type { JournalProjection } from '../journal/journal-projection.js';
import type { OpenCommand } from '../journal/open-command.js';
import type { DeliverySender } from '../deliveries/delivery-sender.js';
import { EarlyReports } from './early-reports.js';
import type { AckSender } from './ack-sender.js';
import type { LateReports } from './late-reports.js';
import type { OutcomeWriter } from './outcome-writer.js';
import type { ReportMetrics } from './report-metrics.js';
import { FailureCounter } from './failure-counter.js';

export interface ReportHandlerOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ReportMetrics;
  readonly projection: Pick<JournalProjection, 'get' | 'knows' | 'onStep' | 'firstOf'>;
  readonly directory: Pick<Directory, 'byNum'>;
  readonly audit: Pick<CommandAudit, 'refusedByAgent'>;
  readonly writer: Pick<OutcomeWriter, 'add' | 'idle'>;
  readonly late: Pick<LateReports, 'add'>;
  readonly kept: Pick<AckSender, 'add'>;
  readonly deliveries: Pick<DeliverySender, 'deliver'>;
}

const TICK_MS = 1_000;

/**
 * What agents report, on its way into the journal. An agent repeats an outcome until it hears that it is kept, so whatever is dropped here
 * comes again; and nothing is called kept before it was read from the journal.
 */
export class ReportHandler {
  readonly #options: ReportHandlerOptions;
  readonly #early = new EarlyReports();
  readonly #refusals = new FailureCounter();
  #subscription: BusSubscription | undefined;
  #unlisten: (() => void) | undefined;
  #timer: Timer | undefined;

  constructor(options: ReportHandlerOptions) {
    this.#options = options;
  }

  /** The view has caught up. */
  start(): void {
    const { bus, clock, projection } = this.#options;
    this.#unlisten = projection.onStep(({ command, entry, step }) => {
      if (entry.t === 'submitted')
        for (const each of this.#early.take(command.id)) this.#take(each.report, each.gateway);
      if (step.ended) this.#refusals.forget(command.id);
    });
    this.#subscription = bus.subscribe(
      SUBJECTS.commandReports,
      ({ data }) => {
        const message = decodeBusMessage<CommandReports>(data, 'command_reports');
        for (const report of message?.reports ?? []) this.#receive(report, (message as CommandReports).gateway);
      },
      { queue: 'command' },
    );
    this.#timer = clock.setInterval(() => this.#giveUpWaiting(), TICK_MS);
  }

  /** Takes no more; what came is written down. */
  async drain(): Promise<void> {
    this.#subscription?.unsubscribe();
    await this.#options.writer.idle();
  }

  stop(): void {
    this.#subscription?.unsubscribe();
    this.#unlisten?.();
    this.#options.clock.clear(this.#timer);
  }

  /** Not of a command that is about to come, so of one that ended long ago. */
  #giveUpWaiting(): void {
    const { clock, late } = this.#options;
    for (const { report, gateway } of this.#early.expired(clock.monotonic())) {
      if (isTerminal(report.state)) late.add(report, gateway);
    }
  }

  /** What an agent does not believe is on record whatever becomes of it: most of all when there is no such command. */
  #receive(report: CommandReport, gateway: GatewayId): void {
    if (!report.authentic) this.#options.audit.refusedByAgent(report);
    this.#take(report, gateway);
  }

  #take(report: CommandReport, gateway: GatewayId): void {
    this.#options.metrics.reports.inc({ result: this.#place(report, gateway) });
  }

  /** Where it went, in one word. */
  #place(report: CommandReport, gateway: GatewayId): string {
    const { projection, clock, late } = this.#options;
    const { id, state } = report;
    const command = projection.get(id);
    if (command === undefined) {
      if (projection.firstOf(id) !== undefined) return 'void';
      if (projection.knows(id)) return isTerminal(state) && late.add(report, gateway) ? 'late' : 'stale';
      // Another service has written the command down and this one's copy of the journal is a moment behind.
      return this.#early.add({ report, gateway }, clock.monotonic()) ? 'early' : 'dropped';
    }
    if (!isTargetOf(command, report, this.#options.directory)) return 'rejected';
    return report.authentic ? this.#takeReport(command, report, gateway) : this.#takeRefusal(command, report, gateway);
  }

  #takeReport(command: OpenCommand, report: CommandReport, gateway: GatewayId): string {
    const { kept, writer } = this.#options;
    const { fold } = command;
    const { number, state } = report;
    const known = fold.state(number);
    if (isTerminal(known)) {
      if (!isTerminal(state)) return 'stale';
      if (known === state || fold.late(number) !== undefined) {
        kept.add(gateway, report);
        return 'repeated';
      }
      // It settled otherwise; what really happened is kept beside that.
    }
    return writer.add(command, report, gateway) ? 'taken' : 'stale';
  }

  /**
   * Refused before the signature was believed: on its way something was changed, or a key is missing. Anybody could say so, therefore it is
   * tried again, and only the third time believed.
   */
  #takeRefusal(command: OpenCommand, report: CommandReport, gateway: GatewayId): string {
    const { writer, deliveries, logger } = this.#options;
    const { fold } = command;
    const state = fold.state(report.number);
    if (isTerminal(state) || state === 'accepted' || state === 'running') return 'unauthentic';
    if (this.#refusals.add(command.id, report.number) >= FailureCounter.OUT) writer.add(command, report, gateway);
    else if (fold.cancel === undefined && state === 'sent') {
      deliveries.deliver(command, new Map([[report.number, gateway]])).catch((error: unknown) => {
        logger.warn('a refused command was not delivered again', { command: command.id, err: error });
      });
    }
    return 'unauthentic';
  }
}

/** Whether the agent whose session it came on is the one that the target names. */
export function isTargetOf(
  { fold, org }: OpenCommand,
  { number, num, agentId, org: from }: CommandReport,
  directory: Pick<Directory, 'byNum'>,
): boolean {
  const target = fold.nums[number - 1];
  return target !== undefined && target === num && from === org && directory.byNum(target)?.agentId === agentId;
}
