import type { Bus, BusSubscription } from '@muster/bus';
import {
  decodeBusMessage,
  SUBJECTS,
  type CancelDelivery,
  type CommandServiceHeartbeat,
  type DeliverCommand,
  type ReportsKept,
} from '@muster/messages';
import { decodeBody, type CommandId, type GatewayId } from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime';
import type { Hub } from '../../sessions/hub/hub.js';
import type { Session } from '../../sessions/hub/session.js';
import { PresenceNotifier } from './presence-notifier.js';
import type { CommandMetrics } from './command-metrics.js';
import { Deliveries } from './deliveries.js';
import { KeyList } from './key-list.js';
import { ReportQueue } from './report-queue.js';
import { ReportRate } from './report-rate.js';

export interface CommandHandlerOptions {
  readonly bus: Bus;
  readonly hub: Hub;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: CommandMetrics;
  /** This incarnation's id; another one after a fencing. */
  readonly gatewayId: () => GatewayId;
  /** Called before anything from the bus is believed; a process that stood still finds out here. */
  readonly checkLease: () => void;
  /** Reports of one session that nobody has kept yet, in one second. More are passed over, ten times as many end the session. */
  readonly reportsPerSecond?: number;
}

const REPORTS_PER_SECOND = 1_000;

export type ReportResult = 'taken' | 'malformed' | 'flood';

/** Commands on this gateway: hands them to its sessions, passes on what they report, and tells command services who is here. */
export class CommandHandler {
  readonly #options: CommandHandlerOptions;
  readonly #arrivals: PresenceNotifier;
  readonly #reports: ReportQueue;
  readonly #rate: ReportRate;
  readonly #deliveries: Deliveries;
  readonly #keys = new KeyList();
  #subscriptions: BusSubscription[] = [];
  #own: BusSubscription | undefined;
  #endWatch: () => void = () => undefined;

  constructor(options: CommandHandlerOptions) {
    this.#options = options;
    this.#arrivals = new PresenceNotifier(options);
    this.#reports = new ReportQueue(options);
    this.#rate = new ReportRate({
      clock: options.clock,
      perSecond: options.reportsPerSecond ?? REPORTS_PER_SECOND,
    });
    this.#deliveries = new Deliveries({ ...options, reports: this.#reports, rate: this.#rate });
  }

  /** The signed list of keys for WELCOME; `undefined` until a command service was heard. */
  get keys(): string | undefined {
    return this.#keys.jws;
  }

  start(): void {
    const { bus } = this.#options;
    this.#subscriptions = [
      bus.subscribe(SUBJECTS.allGatewayCommands, ({ data }) => this.#heard(data)),
      bus.subscribe(SUBJECTS.commandHeartbeats, ({ data }) => {
        this.#options.checkLease();
        const beat = decodeBusMessage<CommandServiceHeartbeat>(data, 'command_beat');
        if (beat === undefined) return;
        this.#keys.heard(beat.keys);
        this.#arrivals.beat(beat);
        // What waited while the broker was away waits until somebody is back to hear it.
        this.#reports.flush();
      }),
    ];
    this.#listen();
    this.#endWatch = bus.onConnectionChange((connected) => {
      if (connected) this.#arrivals.reconnected();
    });
  }

  /** Sends what was reported; agents repeat what does not arrive. */
  stop(): void {
    this.#endWatch();
    for (const subscription of [...this.#subscriptions, this.#own]) subscription?.unsubscribe();
    this.#subscriptions = [];
    this.#own = undefined;
    this.#deliveries.abandon();
    this.#arrivals.clear();
    this.#reports.flush();
  }

  /** Gives everything up: this gateway may have been replaced while it was not looking. Its id has changed. */
  fence(): void {
    this.#deliveries.abandon();
    this.#arrivals.clear();
    this.#reports.clear();
    this.#listenAgain();
  }

  /** Goes on with its sessions under a new id. */
  renamed(): void {
    this.#listenAgain();
    this.#arrivals.all();
  }

  sessionReady(session: Session): void {
    this.#arrivals.add(session);
  }

  /** What an agent says of a command. Whose word it is, is the session's to say and not the report's. */
  report(session: Session, body: Uint8Array): ReportResult {
    const { metrics, logger } = this.#options;
    const rate = this.#rate.take(session);
    if (rate === 'over') {
      metrics.reports.inc({ result: 'rate' });
      return 'taken';
    }
    if (rate === 'flood') {
      metrics.floods.inc();
      logger.warn('session floods the gateway with reports', { agentId: session.agentId });
      return 'flood';
    }
    const decoded = decodeBody('report', body);
    if (!decoded.ok) return 'malformed';
    const { org, agentId, num } = session;
    const { id, effects, ...said } = decoded.body;
    const known = { org, agentId, num, id: id as CommandId };
    this.#reports.add({ ...said, ...known, ...(effects === undefined ? {} : { effects }) }, body.length);
    return 'taken';
  }

  #listenAgain(): void {
    if (this.#own !== undefined) this.#listen();
  }

  #listen(): void {
    const { bus, gatewayId } = this.#options;
    this.#own?.unsubscribe();
    this.#own = bus.subscribe(SUBJECTS.gatewayCommands(gatewayId()), ({ data }) => this.#heard(data));
  }

  #heard(data: Uint8Array): void {
    const { checkLease, logger } = this.#options;
    checkLease();
    const message = decodeBusMessage<DeliverCommand | CancelDelivery | ReportsKept>(
      data,
      'command_deliver',
      'command_cancel',
      'command_kept',
    );
    switch (message?.t) {
      case 'command_deliver':
        this.#deliveries.deliver(message);
        return;
      case 'command_cancel':
        this.#deliveries.cancel(message);
        return;
      case 'command_kept':
        this.#deliveries.kept(message);
        return;
      case undefined:
        logger.warn('a message to this gateway is not understood', { bytes: data.length });
    }
  }
}
