import {
  encodeBusMessage,
  messagingAttributes,
  SUBJECTS,
  type CancelDelivery,
  type DeliverCommand,
  type ReportsKept,
} from '@muster/messages';
import { encodeBody, encodeFrame, FRAME, type AgentId, type CommandId, type OrgId } from '@muster/protocol';
import { encodeNumberSet } from '@muster/records';
import type { CapabilityContext } from '../../foundation/capability.js';
import type { SessionView } from '../../foundation/session-view.js';
import { commandFrames } from './command-frames.js';
import type { CommandMetrics } from './command-metrics.js';
import { takesCommands } from './presence-notifier.js';
import type { ReportQueue } from './report-queue.js';
import type { ReportRate } from './report-rate.js';

export interface DeliveriesOptions extends Pick<CapabilityContext, 'bus' | 'hub' | 'identity' | 'tracer'> {
  readonly metrics: CommandMetrics;
  readonly reports: ReportQueue;
  readonly rate: ReportRate;
}

/** Endpoints that are sent something before the loop turns to what they answer. */
const SLICE = 500;
const DELIVERY_SPAN = messagingAttributes(SUBJECTS.allGatewayCommands);

/** Passes messages of command services on to the sessions that they are for, and reports which of those are not here. */
export class Deliveries {
  readonly #options: DeliveriesOptions;
  /** Rises when this gateway gives its sessions up: slices that began before stop. */
  #generation = 0;

  constructor(options: DeliveriesOptions) {
    this.#options = options;
  }

  deliver(message: DeliverCommand): void {
    const { metrics, tracer } = this.#options;
    const frameFor = commandFrames(message);
    const attributes = {
      ...DELIVERY_SPAN,
      'muster.command.id': message.id,
      'muster.command.targets': message.targets.length,
    };
    const span = tracer.part('command hand over', message.traceparent, { kind: 'consumer', attributes });
    const send = (session: SessionView, target: DeliverCommand['targets'][number]): boolean => {
      if (takesCommands(session)) {
        const result = session.send(frameFor(target));
        metrics.deliveries.inc({ result });
        return result !== 'closed';
      }
      metrics.deliveries.inc({ result: 'no_commands' });
      this.#refuse(session, message.id, target[0]);
      return true;
    };
    this.#toSessions(message, message.targets, send, (missing) => {
      span.set({ 'muster.command.missing': missing });
      span.end();
    });
  }

  cancel(message: CancelDelivery): void {
    const { metrics } = this.#options;
    this.#toSessions(message, message.targets, (session, [number]) => {
      if (!takesCommands(session)) {
        this.#refuse(session, message.id, number);
        return true;
      }
      const frame = encodeFrame(FRAME.commandCancel, 0, encodeBody('commandCancel', { id: message.id, number }));
      metrics.cancels.inc();
      return session.send(frame) !== 'closed';
    });
  }

  /** An agent that has left meanwhile repeats its report elsewhere, and gets the acknowledgement there. */
  kept(message: ReportsKept): void {
    const { hub, metrics, rate } = this.#options;
    this.#inSlices(message.items, ([agentId, id, number]) => {
      const session = hub.get(agentId);
      if (session === undefined || !takesCommands(session)) return;
      rate.kept(session);
      session.send(encodeFrame(FRAME.reportKept, 0, encodeBody('reportKept', { id, number })));
      metrics.kept.inc();
    });
  }

  abandon(): void {
    this.#generation += 1;
  }

  /** Reports in place of an agent that does not take commands. */
  #refuse({ org, agentId, num }: SessionView, id: CommandId, number: number): void {
    const message = 'the agent says that it takes no commands';
    const report = { state: 'unsupported', code: 'no_commands', message, authentic: true } as const;
    this.#options.reports.add({ org, agentId, num, id, number, ...report }, message.length);
  }

  #toSessions<T extends readonly [number: number, agentId: AgentId, ...rest: unknown[]]>(
    { id, org, broadcast }: { readonly id: CommandId; readonly org: OrgId; readonly broadcast: boolean },
    targets: readonly T[],
    /** Returns false when the session turns out to be over, although its end was not reported yet. */
    send: (session: SessionView, target: T) => boolean,
    done: (missing: number) => void = () => undefined,
  ): void {
    const { hub, metrics } = this.#options;
    const missing: number[] = [];
    const sendOne = (target: T): void => {
      const session = hub.get(target[1]);
      if (session?.org !== org || !send(session, target)) missing.push(target[0]);
    };
    this.#inSlices(targets, sendOne, () => {
      metrics.deliveries.inc({ result: broadcast ? 'elsewhere' : 'missing' }, missing.length);
      if (!broadcast && missing.length > 0) this.#reportMissing(id, missing);
      done(missing.length);
    });
  }

  #reportMissing(id: CommandId, missing: readonly number[]): void {
    const { bus, identity } = this.#options;
    const message = { t: 'agents_missing', gateway: identity.id, id, targets: encodeNumberSet(missing) } as const;
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
