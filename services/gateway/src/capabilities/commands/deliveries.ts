import type { Bus } from '@muster/bus';
import {
  encodeBusMessage,
  SUBJECTS,
  type CancelDelivery,
  type DeliverCommand,
  type ReportsKept,
} from '@muster/messages';
import {
  encodeBody,
  encodeFrame,
  FRAME,
  type AgentId,
  type CommandId,
  type GatewayId,
  type OrgId,
} from '@muster/protocol';
import { encodeNumberSet } from '@muster/records';
import type { Hub } from '../../sessions/hub/hub.js';
import type { Session } from '../../sessions/hub/session.js';
import { commandFrames } from './command-frames.js';
import type { CommandMetrics } from './command-metrics.js';
import type { ReportQueue } from './report-queue.js';
import type { ReportRate } from './report-rate.js';

export interface DeliveriesOptions {
  readonly bus: Bus;
  readonly hub: Hub;
  readonly metrics: CommandMetrics;
  readonly reports: ReportQueue;
  readonly rate: ReportRate;
  readonly gatewayId: () => GatewayId;
}

/** Endpoints that are told something before the loop turns to what they answer. */
const SLICE = 500;

/** Passes what command services say on to the sessions that it is for, and says which of them are not here. */
export class Deliveries {
  readonly #options: DeliveriesOptions;
  /** Rises when this gateway gives its sessions up; slices from before end there. */
  #generation = 0;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
  }

  deliver(message: DeliverCommand): void {
    const { metrics } = this.#options;
    const frameFor = commandFrames(message);
    this.#toSessions(message, message.targets, (session, target) => {
      if (session.profile?.canCommand === true) {
        const result = session.send(frameFor(target));
        metrics.deliveries.inc({ result });
        return result !== 'closed';
      }
      metrics.deliveries.inc({ result: 'no_commands' });
      this.#refuse(session, message.id, target[0]);
      return true;
    });
  }

  cancel(message: CancelDelivery): void {
    const { metrics } = this.#options;
    this.#toSessions(message, message.targets, (session, [number]) => {
      if (session.profile?.canCommand !== true) {
        this.#refuse(session, message.id, number);
        return true;
      }
      const frame = encodeFrame(FRAME.commandCancel, 0, encodeBody('commandCancel', { id: message.id, number }));
      metrics.cancels.inc();
      return session.send(frame) !== 'closed';
    });
  }

  /** Who has left meanwhile repeats its report elsewhere, and is told there. */
  kept(message: ReportsKept): void {
    const { hub, metrics, rate } = this.#options;
    this.#inSlices(message.items, ([agentId, id, number]) => {
      const session = hub.get(agentId);
      if (session?.profile?.canCommand !== true) return;
      rate.kept(session);
      session.send(encodeFrame(FRAME.reportKept, 0, encodeBody('reportKept', { id, number })));
      metrics.kept.inc();
    });
  }

  abandon(): void {
    this.#generation += 1;
  }

  /** Speaks for an agent that does not know what commands are. */
  #refuse({ org, agentId, num }: Session, id: CommandId, number: number): void {
    const message = 'the agent says that it takes no commands';
    const said = { state: 'unsupported', code: 'no_commands', message, authentic: true } as const;
    this.#options.reports.add({ org, agentId, num, id, number, ...said }, message.length);
  }

  #toSessions<T extends readonly [number: number, agentId: AgentId, ...rest: unknown[]]>(
    { id, org, broadcast }: { readonly id: CommandId; readonly org: OrgId; readonly broadcast: boolean },
    targets: readonly T[],
    /** False when the session turns out to be over, although its end was not told yet. */
    tell: (session: Session, target: T) => boolean,
  ): void {
    const { hub, metrics } = this.#options;
    const missing: number[] = [];
    const tellOne = (target: T): void => {
      const session = hub.get(target[1]);
      if (session?.org !== org || !tell(session, target)) missing.push(target[0]);
    };
    this.#inSlices(targets, tellOne, () => {
      metrics.deliveries.inc({ result: broadcast ? 'elsewhere' : 'missing' }, missing.length);
      if (!broadcast && missing.length > 0) this.#reportMissing(id, missing);
    });
  }

  #reportMissing(id: CommandId, missing: readonly number[]): void {
    const { bus, gatewayId } = this.#options;
    const message = { t: 'agents_missing', gateway: gatewayId(), id, targets: encodeNumberSet(missing) } as const;
    // When it is lost, the service tries again by itself.
    bus.publish(SUBJECTS.commandPresence, encodeBusMessage(message));
  }

  #inSlices<T>(items: readonly T[], each: (item: T) => void, done: () => void = () => undefined): void {
    const generation = this.#generation;
    const run = (from: number): void => {
      if (generation !== this.#generation) return;
      for (const item of items.slice(from, from + SLICE)) each(item);
      if (from + SLICE < items.length) setImmediate(run, from + SLICE);
      else done();
    };
    run(0);
  }
}
