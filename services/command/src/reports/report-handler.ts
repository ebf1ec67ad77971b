import type { Bus, BusSubscription } from '@muster/bus';
import type { Directory } from '@muster/directory';
import { decodeBusMessage, SUBJECTS, type CommandReports } from '@muster/messages';
import { isTerminal, type CommandId } from '@muster/protocol';
import type { Clock, Logger, Timer, Metrics } from '@muster/runtime';
import type { CommandAudit } from '../journal/command-audit.js';
import type { JournalProjection } from '../journal/journal-projection.js';
import type { OpenCommand } from '../journal/open-command.js';
import type { DeliverySender } from '../deliveries/delivery-sender.js';
import type { AckSender } from './ack-sender.js';
import { EarlyReports } from './early-reports.js';
import type { LateReports } from './late-reports.js';
import type { OutcomeWriter } from './outcome-writer.js';
import { isFromTarget, type ReceivedReport } from './received-report.js';
import { LRUCache } from 'lru-cache';

export interface ReportHandlerOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ReportMetrics;
  readonly projection: Pick<JournalProjection, 'get' | 'knows' | 'onStep' | 'firstOf'>;
  readonly directory: Pick<Directory, 'byNum'>;
  readonly audit: Pick<CommandAudit, 'refusedByAgent'>;
  readonly outcomes: Pick<OutcomeWriter, 'add' | 'idle'>;
  readonly late: Pick<LateReports, 'add'>;
  readonly acks: Pick<AckSender, 'add'>;
  readonly deliveries: Pick<DeliverySender, 'deliver'>;
}

const TICK_MS = 1_000;
/** A refusal with a bad signature is believed when it was repeated this often. */
const REFUSALS_BELIEVED = 3;

/**
 * Receives the reports of agents and passes them to the journal. An agent repeats an outcome until it is acknowledged, so
 * whatever is dropped here comes again. Nothing is acknowledged before it was read back from the journal.
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

  /** Call it when the projection has caught up. */
  start(): void {
    const { bus, clock, projection } = this.#options;
    this.#unlisten = projection.onStep(({ command, entry, step }) => {
      if (entry.t === 'submitted') for (const each of this.#early.take(command.id)) this.#process(each);
      if (step.ended) this.#refusals.forget(command.id);
    });
    this.#subscription = bus.subscribe(
      SUBJECTS.commandReports,
      ({ data }) => {
        const message = decodeBusMessage<CommandReports>(data, 'command_reports');
        if (message === undefined) return;
        for (const report of message.reports) this.#receive({ report, gateway: message.gateway });
      },
      { queue: 'command' },
    );
    this.#timer = clock.setInterval(() => this.#expireEarly(), TICK_MS);
  }

  /** Takes no more reports, and writes those that it has. */
  async drain(): Promise<void> {
    this.#subscription?.unsubscribe();
    await this.#options.outcomes.idle();
  }

  stop(): void {
    this.#subscription?.unsubscribe();
    this.#unlisten?.();
    this.#options.clock.clear(this.#timer);
  }

  /** The command did not appear in the journal, so it ended long ago. */
  #expireEarly(): void {
    const { clock, late } = this.#options;
    for (const each of this.#early.expired(clock.monotonic())) {
      if (isTerminal(each.report.state)) late.add(each);
    }
  }

  /** A failed signature check is audited in any case, most of all when there is no such command. */
  #receive(received: ReceivedReport): void {
    if (!received.report.authentic) this.#options.audit.refusedByAgent(received.report);
    this.#process(received);
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
      if (projection.firstOf(id) !== undefined) return 'void';
      if (projection.knows(id)) return isTerminal(state) && late.add(received) ? 'late' : 'stale';
      // Another service wrote the command, and this projection is a moment behind.
      return this.#early.add(received, clock.monotonic()) ? 'early' : 'dropped';
    }
    if (!isFromTarget(report, command, this.#options.directory)) return 'rejected';
    return report.authentic ? this.#takeOutcome(command, received) : this.#takeRefusal(command, received);
  }

  #takeOutcome(command: OpenCommand, received: ReceivedReport): string {
    const { acks, outcomes } = this.#options;
    const { fold } = command;
    const { number, state } = received.report;
    const known = fold.state(number);
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
   * The agent could not verify the command: it was changed on its way, or a key is missing. Such a report proves nothing,
   * so the command is delivered again, and only the third refusal is believed.
   */
  #takeRefusal(command: OpenCommand, received: ReceivedReport): string {
    const { outcomes, deliveries, logger } = this.#options;
    const { fold } = command;
    const { number } = received.report;
    const state = fold.state(number);
    if (isTerminal(state) || state === 'accepted' || state === 'running') return 'unauthentic';
    if (this.#refusals.add(command.id, number) >= REFUSALS_BELIEVED) outcomes.add(command, received);
    else if (fold.cancel === undefined && state === 'sent') {
      deliveries.deliver(command, new Map([[number, received.gateway]])).catch((error: unknown) => {
        logger.warn('refused command was not delivered again', { command: command.id, err: error });
      });
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
    }),
  };
}

const MAX_COMMANDS = 10_000;

/** Counts per target how often something failed. Each process counts by itself, so with several services the sum is higher. */
class FailureCounter {
  readonly #counts = new LRUCache<CommandId, Map<number, number>>({ max: MAX_COMMANDS });

  add(id: CommandId, target: number): number {
    const counts = this.#counts.get(id) ?? new Map<number, number>();
    const count = (counts.get(target) ?? 0) + 1;
    this.#counts.set(id, counts.set(target, count));
    return count;
  }

  forget(id: CommandId): void {
    this.#counts.delete(id);
  }
}
