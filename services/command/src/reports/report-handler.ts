import type { Bus, BusMessage, BusSubscription } from '@muster/bus';
import type { Directory } from '@muster/directory';
import { decodeBusMessage, SUBJECTS, type CommandReports } from '@muster/messages';
import { isTerminal, type CommandServiceId, type GatewayId } from '@muster/protocol';
import type { Clock, Logger, Timer, Metrics } from '@muster/runtime';
import type { CommandAudit } from '../journal/command-audit.js';
import type { JournalProjection } from '../journal/journal-projection.js';
import { saysNoRoom } from '../journal/no-room.js';
import type { OpenCommand } from '../journal/open-command.js';
import type { DeliverySender } from '../deliveries/delivery-sender.js';
import type { AckSender } from './ack-sender.js';
import { EarlyReports } from './early-reports.js';
import type { LateReports } from './late-reports.js';
import type { OutcomeWriter } from './outcome-writer.js';
import { isFromTarget, isWellFormed, type ReceivedReport } from './received-report.js';
import { RepeatedRefusals } from './repeated-refusals.js';

export interface ReportHandlerOptions {
  readonly bus: Bus;
  readonly instance: CommandServiceId;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ReportMetrics;
  readonly projection: Pick<JournalProjection, 'get' | 'knows' | 'onStep' | 'firstOf'>;
  readonly directory: Pick<Directory, 'byNum'>;
  readonly audit: Pick<CommandAudit, 'refusedByAgent'>;
  readonly outcomes: Pick<OutcomeWriter, 'add' | 'note' | 'idle'>;
  readonly late: Pick<LateReports, 'add'>;
  readonly acks: Pick<AckSender, 'add'>;
  readonly deliveries: Pick<DeliverySender, 'deliver'>;
}

const TICK_MS = 1_000;

/**
 * Receives the reports of agents and passes them to the journal. An agent repeats an outcome until it is acknowledged, so
 * whatever is dropped here comes again. Nothing is acknowledged before it was read back from the journal.
 */
export class ReportHandler {
  readonly #options: ReportHandlerOptions;
  readonly #early = new EarlyReports();
  readonly #refusals = new RepeatedRefusals();
  #shared: BusSubscription | undefined;
  #own: BusSubscription | undefined;
  #unlisten: (() => void) | undefined;
  #timer: Timer | undefined;

  constructor(options: ReportHandlerOptions) {
    this.#options = options;
  }

  /** Call it when the projection has caught up. */
  start(): void {
    const { bus, instance, clock, projection } = this.#options;
    this.#unlisten = projection.onStep(({ command, entry, step }) => {
      if (entry.t === 'submitted') for (const each of this.#early.take(command.id)) this.#process(each);
      if (step.ended) this.#refusals.forget(command.id);
    });
    const take = ({ data }: BusMessage): void => this.#take(data);
    this.#shared = bus.subscribe(SUBJECTS.commandReports, take, { queue: 'command' });
    this.#own = bus.subscribe(SUBJECTS.commandServiceReports(instance), take);
    this.#timer = clock.setInterval(() => {
      this.#expireEarly();
      this.#deliverAgain();
    }, TICK_MS);
  }

  /** Takes no more reports, and writes those that it has. Gateways send to another service what they have sent to this one lately. */
  async drain(): Promise<void> {
    this.#shared?.unsubscribe();
    this.#own?.unsubscribe();
    await this.#options.outcomes.idle();
  }

  stop(): void {
    this.#shared?.unsubscribe();
    this.#own?.unsubscribe();
    this.#unlisten?.();
    this.#options.clock.clear(this.#timer);
  }

  #take(data: Uint8Array): void {
    const message = decodeBusMessage<CommandReports>(data, 'command_reports');
    if (message === undefined) return;
    for (const report of message.reports) this.#receive({ report, gateway: message.gateway });
  }

  /** The command did not appear in the journal, so it ended long ago, or never was. */
  #expireEarly(): void {
    const { clock, late } = this.#options;
    for (const each of this.#early.expired(clock.monotonic())) {
      if (!each.report.authentic) this.#doubt(each, 'no such command is under way');
      else if (isTerminal(each.report.state)) late.add(each);
    }
  }

  /** Delivers to targets that refused what they could not verify, when the gap between two refusals is over. */
  #deliverAgain(): void {
    const { clock, projection } = this.#options;
    for (const [command, numbers] of this.#refusals.takeDue(clock.monotonic())) {
      if (projection.get(command.id) !== command || command.fold.cancel !== undefined) continue;
      const waiting = numbers.filter((number) => command.fold.state(number) === 'sent');
      this.#redeliver(command, new Map(waiting.map((number) => [number, undefined])));
    }
  }

  #redeliver(command: OpenCommand, targets: ReadonlyMap<number, GatewayId | undefined>): void {
    if (targets.size === 0) return;
    this.#options.deliveries.deliver(command, targets).catch((error: unknown) => {
      this.#options.logger.warn('refused command was not delivered again', { command: command.id, err: error });
    });
  }

  #receive(received: ReceivedReport): void {
    if (isWellFormed(received.report)) this.#process(received);
    else this.#options.metrics.reports.inc({ result: 'malformed' });
  }

  #process(received: ReceivedReport): void {
    this.#options.metrics.reports.inc({ result: this.#dispatch(received) });
  }

  /** Returns the `result` label of the metric. */
  #dispatch(received: ReceivedReport): string {
    const { report } = received;
    const { projection, clock, late } = this.#options;
    const { id, state } = report;
    const command = projection.get(id);
    if (command === undefined) {
      if (projection.firstOf(id) !== undefined) return this.#doubt(received, 'the command is void', 'void');
      if (projection.knows(id)) {
        if (!report.authentic) return this.#doubt(received, 'the command has ended', 'stale');
        return isTerminal(state) && late.add(received) ? 'late' : 'stale';
      }
      // Another service wrote the command, and this projection is a moment behind.
      if (this.#early.add(received, clock.monotonic())) return 'early';
      return this.#doubt(received, 'no such command is known', 'dropped');
    }
    if (!isFromTarget(report, command, this.#options.directory)) {
      return this.#doubt(received, 'the agent is no such target of the command', 'rejected');
    }
    return report.authentic ? this.#takeOutcome(command, received) : this.#takeRefusal(command, received);
  }

  /** Audits a refusal that nothing confirms. Returns `result`, for the metric. */
  #doubt({ report }: ReceivedReport, doubt: string, result = ''): string {
    if (!report.authentic) this.#options.audit.refusedByAgent(report, doubt);
    return result;
  }

  #takeOutcome(command: OpenCommand, received: ReceivedReport): string {
    const { acks, outcomes } = this.#options;
    const { fold } = command;
    const { number, state } = received.report;
    const known = fold.state(number);
    if (saysNoRoom(received.report)) {
      if (isTerminal(state)) acks.add(received);
      return (known === 'sent' || known === 'accepted') && outcomes.note(command, received) ? 'taken' : 'repeated';
    }
    if (isTerminal(known)) {
      if (!isTerminal(state)) return 'stale';
      if (known === state || fold.late(number) !== undefined) {
        acks.add(received);
        return 'repeated';
      }
      // The target was settled by a timeout; the reported outcome is kept as its late outcome.
    }
    return outcomes.add(command, received) ? 'taken' : 'stale';
  }

  /**
   * The agent could not verify the command: it was changed on its way, or a key is missing. Such a report proves nothing, so the command is
   * delivered again: at once after the first refusal, because a fault on the way may be over, and after a while in any case. See
   * {@link RepeatedRefusals} for when a target is settled by it.
   */
  #takeRefusal(command: OpenCommand, received: ReceivedReport): string {
    const { audit, clock, outcomes } = this.#options;
    const { fold } = command;
    const { number } = received.report;
    const state = fold.state(number);
    if (state !== 'sent') {
      const doubt = state === 'queued' ? 'it was not delivered yet' : `the target is ${state}: it was verified before`;
      return this.#doubt(received, doubt, 'unauthentic');
    }
    audit.refusedByAgent(received.report);
    const verdict = this.#refusals.add(command, number, clock.monotonic());
    if (verdict === 'believed') outcomes.add(command, received);
    else if (verdict === 'first' && fold.cancel === undefined) {
      this.#redeliver(command, new Map([[number, received.gateway]]));
    }
    return 'unauthentic';
  }
}

export type ReportMetrics = ReturnType<typeof reportMetrics>;

export function reportMetrics(metrics: Metrics) {
  return {
    reports: metrics.counter({
      name: 'muster_command_reports_total',
      help: 'Reports of agents, by what became of them here.',
      labels: ['result'],
      initial: [{ result: 'unauthentic' }, { result: 'rejected' }],
    }),
  };
}
