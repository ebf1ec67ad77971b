import type { BusSubscription } from '@muster/bus';
import {
  decodeBusMessage,
  decodeBusMessageInPlace,
  SUBJECTS,
  type CancelDelivery,
  type CommandServiceHeartbeat,
  type DeliverCommand,
  type ReportsKept,
} from '@muster/messages';
import { CAPABILITY, decodeBody, FRAME, isCommandId } from '@muster/protocol';
import {
  malformed,
  type Capability,
  type CapabilityContext,
  type FrameFault,
  type WelcomeAddition,
} from '../../foundation/capability.js';
import type { SessionView } from '../../foundation/session-view.js';
import { createCommandMetrics, type CommandMetrics } from './command-metrics.js';
import { Deliveries } from './deliveries.js';
import { KeyList } from './key-list.js';
import { PresenceNotifier } from './presence-notifier.js';
import { ReportQueue } from './report-queue.js';
import { ReportRate } from './report-rate.js';
import { ReportSender } from './report-sender.js';

export interface CommandHandlerOptions extends CapabilityContext {
  /** Reports of one session that nobody has kept yet, in one second. More are ignored, ten times as many end the session. */
  readonly reportsPerSecond?: number;
}

const REPORTS_PER_SECOND = 1_000;
const FLOOD: FrameFault = {
  reason: 'overloaded',
  detail: 'more reports than can be kept; come back, and repeat them less often',
};

/** Commands on this gateway: hands them to its sessions, passes on what they report, and tells command services who is here. */
export class CommandHandler implements Capability {
  readonly name = CAPABILITY.command;
  readonly frames: Capability['frames'] = [
    { type: FRAME.report, handle: (session, _header, body) => this.#report(session, body) },
  ];
  readonly #options: CommandHandlerOptions;
  readonly #metrics: CommandMetrics;
  readonly #presence: PresenceNotifier;
  readonly #reports: ReportQueue;
  readonly #sender: ReportSender;
  readonly #rate: ReportRate;
  readonly #deliveries: Deliveries;
  readonly #keys = new KeyList();
  #subscriptions: BusSubscription[] = [];
  #own: BusSubscription | undefined;
  #endWatch: () => void = () => undefined;

  constructor(options: CommandHandlerOptions) {
    this.#options = options;
    this.#metrics = createCommandMetrics(options.metrics);
    const context = { ...options, metrics: this.#metrics };
    this.#presence = new PresenceNotifier(context);
    this.#sender = new ReportSender(context);
    this.#reports = new ReportQueue({ ...context, sender: this.#sender });
    this.#rate = new ReportRate({
      clock: options.clock,
      perSecond: options.reportsPerSecond ?? REPORTS_PER_SECOND,
    });
    this.#deliveries = new Deliveries({ ...context, reports: this.#reports, rate: this.#rate });
  }

  start(): void {
    const { bus } = this.#options;
    this.#subscriptions = [
      bus.subscribe(SUBJECTS.allGatewayCommands, ({ data }) => this.#heard(data)),
      bus.subscribe(SUBJECTS.commandHeartbeats, ({ data }) => this.#heartbeat(data)),
    ];
    this.#listen();
    this.#endWatch = bus.onConnectionChange((connected) => {
      if (connected) this.#presence.reconnected();
    });
  }

  /** Sends what was reported; agents repeat what does not arrive. */
  stop(): void {
    this.#endWatch();
    for (const subscription of [...this.#subscriptions, this.#own]) subscription?.unsubscribe();
    this.#subscriptions = [];
    this.#own = undefined;
    this.#deliveries.abandon();
    this.#presence.clear();
    this.#reports.flush();
  }

  /** The signed list of keys, for agents that take commands. There is none until a command service was heard. */
  welcome({ profile }: SessionView): WelcomeAddition | undefined {
    const { jws } = this.#keys;
    return jws !== undefined && profile?.capabilities.has(this.name) === true ? { commandKeys: jws } : undefined;
  }

  ready(session: SessionView): void {
    this.#presence.add(session);
  }

  fenced(): void {
    this.#deliveries.abandon();
    this.#presence.clear();
    this.#reports.clear();
    this.#sender.clear();
    this.#listenAgain();
  }

  lapsed(): void {
    this.#presence.all();
  }

  /** Takes a report about a command. The session says whose report it is, not the report. */
  #report(session: SessionView, body: Uint8Array): FrameFault | undefined {
    const { org, agentId, num } = session;
    const rate = this.#rate.take(session);
    if (rate === 'over') {
      this.#metrics.reports.inc({ result: 'rate' });
      return undefined;
    }
    if (rate === 'flood') {
      this.#metrics.floods.inc();
      this.#options.logger.warn('session floods the gateway with reports', { agentId });
      return FLOOD;
    }
    const decoded = decodeBody('report', body);
    if (!decoded.ok) return malformed('report');
    const { id, number, state, code, message, effects, authentic } = decoded.body;
    // Nobody can have given it such a command. Beyond this point the id becomes part of a subject and of records.
    if (!isCommandId(id)) {
      this.#metrics.reports.inc({ result: 'bad_id' });
      return undefined;
    }
    const report = { org, agentId, num, id, number, state, code, message, authentic };
    this.#reports.add(effects === undefined ? report : { ...report, effects }, body.length);
    return undefined;
  }

  #listenAgain(): void {
    if (this.#own !== undefined) this.#listen();
  }

  #listen(): void {
    const { bus, identity } = this.#options;
    this.#own?.unsubscribe();
    this.#own = bus.subscribe(SUBJECTS.gatewayCommands(identity.id), ({ data }) => this.#heard(data));
  }

  #heartbeat(data: Uint8Array): void {
    this.#options.identity.checkLease();
    const heartbeat = decodeBusMessage<CommandServiceHeartbeat>(data, 'command_beat');
    if (heartbeat === undefined) return;
    this.#keys.heard(heartbeat.keys);
    this.#presence.heartbeat(heartbeat);
    this.#sender.heartbeat(heartbeat);
    // Reports that waited while the broker was away wait on until a service is back to hear them.
    this.#reports.flush();
  }

  #heard(data: Uint8Array): void {
    const { identity, logger } = this.#options;
    identity.checkLease();
    // Proofs are read while the message is worked on, and nothing of it is kept.
    const message = decodeBusMessageInPlace<DeliverCommand | CancelDelivery | ReportsKept>(
      data,
      'command_deliver',
      'command_cancel',
      'command_kept',
    );
    // An agent remembers what it was told to cancel, and reports it until it is kept: it must be a command's id.
    if (message === undefined || (message.t !== 'command_kept' && !isCommandId(message.id))) {
      logger.warn('a message to this gateway is not understood', { bytes: data.length });
      return;
    }
    if (message.t === 'command_deliver') this.#deliveries.deliver(message);
    else if (message.t === 'command_cancel') this.#deliveries.cancel(message);
    else this.#deliveries.kept(message);
  }
}
