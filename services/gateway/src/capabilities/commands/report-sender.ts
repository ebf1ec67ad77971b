import { encodeBusMessage, SUBJECTS, type CommandReport, type CommandServiceHeartbeat } from '@muster/messages';
import type { CommandServiceId } from '@muster/protocol';
import { ServiceInstances } from '@muster/service-base';
import type { CapabilityContext } from '../../foundation/capability.js';
import type { CommandMetrics } from './command-metrics.js';

export interface ReportSenderOptions extends Pick<CapabilityContext, 'bus' | 'clock' | 'identity'> {
  readonly metrics: CommandMetrics;
}

/** What a service has got so long before its last heartbeat is in the journal, if it is ever to be there. */
const WRITTEN_MS = 2_000;
/** While none is heard, the one that was heard last gets them for this long: the queue group may hold one that stands still. */
const LATE_MS = 5_000;
/** About what all endpoints of a full gateway report on one command. What does not fit is repeated by its agents. */
const KEPT_BYTES = 16 * 1024 * 1024;

interface Batch {
  readonly service: string;
  readonly sentMs: number;
  readonly data: Uint8Array;
  readonly reports: number;
}

/**
 * Sends reports to a command service that was heard a moment ago, and sends them to another one when that one falls
 * silent: a service that stands still stays in its queue group. A report may so reach two services, and is taken once.
 * While none was heard for long, the queue group gets them.
 */
export class ReportSender {
  readonly #options: ReportSenderOptions;
  readonly #services: ServiceInstances;
  /** What may be lost if its service has fallen silent, oldest first. */
  #kept: Batch[] = [];
  #keptBytes = 0;

  constructor(options: ReportSenderOptions) {
    this.#options = options;
    this.#services = new ServiceInstances(options.clock);
  }

  send(reports: readonly CommandReport[]): void {
    const { clock, metrics, identity } = this.#options;
    const data = encodeBusMessage({ t: 'command_reports', gateway: identity.id, reports });
    const service = this.#services.pick() ?? this.#services.latest(LATE_MS);
    const result = this.#publish(data, service);
    metrics.reports.inc({ result }, reports.length);
    if (service === undefined || result === 'dropped') return;
    this.#kept.push({ service, sentMs: clock.monotonic(), data, reports: reports.length });
    this.#keptBytes += data.length;
    let tooMany = 0;
    for (; this.#keptBytes > KEPT_BYTES; tooMany += 1) this.#keptBytes -= this.#kept[tooMany]?.data.length ?? 0;
    this.#kept.splice(0, tooMany);
  }

  /** Each heartbeat of any service tells who of the others is silent, so that no timer is needed. */
  heartbeat({ instance, stopping, nowMs }: CommandServiceHeartbeat): void {
    this.#services.heard({ id: instance, stopping, ...(nowMs === undefined ? {} : { nowMs }) });
    this.#kept = this.#kept.filter((batch) => this.#mayBeLost(batch) && !this.#sentAgain(batch));
    this.#keptBytes = this.#kept.reduce((sum, { data }) => sum + data.length, 0);
  }

  clear(): void {
    this.#kept = [];
    this.#keptBytes = 0;
  }

  #mayBeLost({ service, sentMs }: Batch): boolean {
    return sentMs >= this.#services.heardMs(service) - WRITTEN_MS;
  }

  /** False while its service is heard, and while no other one is. What is sent a second time is not kept: its agents repeat it. */
  #sentAgain({ service, data, reports }: Batch): boolean {
    if (!this.#services.isSilent(service)) return false;
    const other = this.#services.pick();
    if (other === undefined || this.#publish(data, other) === 'dropped') return false;
    this.#options.metrics.reports.inc({ result: 'sent_again' }, reports);
    return true;
  }

  #publish(data: Uint8Array, service: string | undefined) {
    const { bus } = this.#options;
    if (service === undefined) return bus.publish(SUBJECTS.commandReports, data);
    return bus.publish(SUBJECTS.commandServiceReports(service as CommandServiceId), data);
  }
}
