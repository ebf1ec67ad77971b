import type { Bus, BusSubscription } from '@muster/bus';
import { decodeBusMessage, SUBJECTS, type AgentsConnected, type AgentsNotHeld } from '@muster/messages';
import { isTerminal, type CommandId, type CommandState, type GatewayId } from '@muster/protocol';
import { decodeNumberSet } from '@muster/records';
import type { Clock, Logger, Timer } from '@muster/runtime';
import type { JournalStep, JournalProjection } from '../journal/journal-projection.js';
import type { OpenCommand } from '../journal/open-command.js';
import type { FreshRoutes } from '../deliveries/fresh-routes.js';
import type { ReconcileSteps } from './reconcile-steps.js';
import { ReconciledCommand } from './reconciled-command.js';
import type { ReconcileMetrics } from './reconcile-metrics.js';
import type { LiveServices } from './live-services.js';
import { PendingDeliveries } from './pending-deliveries.js';

export interface CommandReconcilerOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ReconcileMetrics;
  readonly projection: Pick<JournalProjection, 'open' | 'onStep' | 'onRestart' | 'get'>;
  readonly services: Pick<LiveServices, 'reconciles'>;
  readonly work: Pick<ReconcileSteps, 'turn' | 'check' | 'look' | 'retry'>;
  readonly freshRoutes: Pick<FreshRoutes, 'take'>;
  readonly forgetTree: (id: CommandId) => void;
}

const TICK_MS = 100;
/** Commands that fall due are begun so many at a time. */
const PER_TICK = 200;

/**
 * Moves commands on: hears of journal entries, of agents that arrive or are missing, and of the clock, and turns that into work on the
 * commands that this service drives. It never acts on what it wishes to be true: a delivery follows only an effective `sent` entry that was
 * read from the journal, so `queued` means that nobody tried.
 *
 *     entry: sent ──▶ deliver        arrival: queued ──▶ append sent        tick: retry, look, expire, release
 *     entry: cancel ──▶ tell         arrival: sent…running ──▶ deliver
 */
export class CommandReconciler {
  readonly #options: CommandReconcilerOptions;
  readonly #reconciled = new Map<CommandId, ReconciledCommand>();
  readonly #pending = new PendingDeliveries();
  readonly #working = new Set<Promise<void>>();
  #presence: BusSubscription | undefined;
  #unlisten: (() => void) | undefined;
  #timer: Timer | undefined;
  #first: Timer | undefined;
  #begun = false;
  #stopped = false;

  constructor(options: CommandReconcilerOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#reconciled.size;
  }

  /** The view has caught up. */
  start(): void {
    const { bus, clock, projection } = this.#options;
    const unlisten = [
      projection.onStep((step) => this.#stepped(step)),
      projection.onRestart(() => this.redistribute()),
    ];
    this.#unlisten = () => unlisten.forEach((end) => end());
    this.#presence = bus.subscribe(SUBJECTS.commandPresence, ({ data }) => this.#heard(data));
    this.#timer = clock.setInterval(() => this.#tick(), TICK_MS);
    // One that is not alone hears so within a beat, and need not take up everything first.
    this.#first = clock.setTimeout(() => this.#begin(), FIRST_MS);
  }

  #begin(): void {
    this.#begun = true;
    this.redistribute();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.clock.clear(this.#timer);
    this.#options.clock.clear(this.#first);
    this.#presence?.unsubscribe();
    this.#unlisten?.();
    await Promise.all(this.#working);
  }

  /** The set of live services is another one: takes over what is now this one's, lets go of the rest. */
  redistribute(): void {
    const { projection, services, metrics } = this.#options;
    for (const [id, { command }] of this.#reconciled) {
      // After the journal began again the open commands are other objects.
      if (!services.reconciles(id) || projection.get(id) !== command) this.#let(command);
    }
    if (!this.#begun) return;
    for (const command of projection.open()) {
      if (this.#reconciled.has(command.id) || !services.reconciles(command.id)) continue;
      this.#resume(this.#take(command));
      metrics.takeovers.inc();
    }
  }

  #take(command: OpenCommand): ReconciledCommand {
    const reconciled = new ReconciledCommand(command);
    this.#reconciled.set(command.id, reconciled);
    this.#pending.add(command);
    return reconciled;
  }

  #let(command: OpenCommand): void {
    this.#reconciled.delete(command.id);
    this.#pending.remove(command);
  }

  /** Nobody knows what the one that drove it before had said and to whom. */
  #resume(reconciled: ReconciledCommand): void {
    const nowMs = this.#options.clock.now();
    reconciled.lookSoon(nowMs);
    reconciled.retryMs = nowMs;
  }

  #stepped({ command, entry, step }: JournalStep): void {
    const { services, clock, metrics, freshRoutes, forgetTree } = this.#options;
    const routes = entry.t === 'submitted' ? freshRoutes.take(command.id) : undefined;
    let reconciled = this.#reconciled.get(command.id);
    if (step.ended) {
      if (reconciled !== undefined) this.#let(command);
      forgetTree(command.id);
    } else if (reconciled === undefined && entry.t === 'submitted' && services.reconciles(command.id)) {
      reconciled = this.#take(command);
    }
    if (reconciled === undefined) return;
    for (const { outcome, targets } of step.changes) {
      if (isTerminal(outcome.state)) metrics.settled.inc({ state: outcome.state }, targets.length);
      for (const target of targets) {
        reconciled.absent.delete(target);
        reconciled.polled.delete(target);
      }
      if (outcome.state !== 'sent') continue;
      for (const target of targets) {
        const route = routes?.get(command.fold.nums[target - 1] ?? 0);
        reconciled.toDeliver.set(target, reconciled.hints.get(target) ?? route?.gateway);
      }
      reconciled.fresh += targets.length;
      reconciled.expectAnswers(clock.now());
    }
    if (step.ended) return;
    // Those that were connected when it was submitted are sent already; the others may have come since.
    if (step.signed || entry.t === 'released') reconciled.lookSoon(clock.now() + (step.signed ? JUST_LOOKED_MS : 0));
    if (step.cancelled) {
      for (const target of command.fold.inState(...ON_ENDPOINTS)) reconciled.toCancel.set(target, undefined);
      reconciled.expectAnswers(clock.now());
    }
    const isRollout = command.record.rollout !== undefined;
    reconciled.checkMs = Math.min(reconciled.checkMs, clock.now() + (isRollout ? 0 : CHECK_MS));
    this.#work(reconciled);
  }

  #heard(data: Uint8Array): void {
    const message = decodeBusMessage<AgentsConnected | AgentsNotHeld>(data, 'agents_arrived', 'agents_missing');
    if (message?.t === 'agents_arrived') this.#arrived(decodeNumberSet(message.nums), message.gateway);
    else if (message !== undefined) this.#missing(message);
  }

  #arrived(nums: readonly number[], gateway: GatewayId): void {
    const nowMs = this.#options.clock.now();
    for (const [command, targets] of this.#pending.targetsOf(nums)) {
      const reconciled = this.#reconciled.get(command.id);
      if (reconciled === undefined) continue;
      for (const target of targets) {
        const state = command.fold.state(target);
        reconciled.absent.delete(target);
        reconciled.polled.delete(target);
        if (state === 'queued') reconciled.toSend.set(target, gateway);
        else if (isTerminal(state)) continue;
        else if (command.fold.cancel === undefined) reconciled.toDeliver.set(target, gateway);
        else reconciled.toCancel.set(target, gateway);
      }
      reconciled.expectAnswers(nowMs);
      this.#work(reconciled);
    }
  }

  /** The route was old: it is looked up again, once; what is not found then waits for the agent to arrive, or for the next retry. */
  #missing({ id, targets }: AgentsNotHeld): void {
    const reconciled = this.#reconciled.get(id);
    if (reconciled === undefined) return;
    for (const target of decodeNumberSet(targets)) {
      if (reconciled.absent.has(target) || reconciled.command.fold.state(target) !== 'sent') continue;
      reconciled.absent.add(target);
      reconciled.polled.delete(target);
      if (reconciled.command.fold.cancel === undefined) reconciled.toDeliver.set(target, undefined);
      else reconciled.toCancel.set(target, undefined);
    }
    this.#work(reconciled);
  }

  #tick(): void {
    const nowMs = this.#options.clock.now();
    let begun = 0;
    for (const reconciled of this.#reconciled.values()) {
      if (reconciled.dueMs > nowMs || reconciled.working) continue;
      if (++begun > PER_TICK) return;
      this.#work(reconciled);
    }
  }

  /** One turn at a time for a command: what comes meanwhile is taken together in the next. */
  #work(reconciled: ReconciledCommand): void {
    if (reconciled.working || this.#stopped) return;
    reconciled.working = true;
    const working: Promise<void> = this.#turns(reconciled).finally(() => {
      reconciled.working = false;
      this.#working.delete(working);
    });
    this.#working.add(working);
  }

  async #turns(reconciled: ReconciledCommand): Promise<void> {
    const { work, clock, logger, metrics } = this.#options;
    try {
      do {
        const nowMs = clock.now();
        if (reconciled.checkMs <= nowMs) await work.check(reconciled);
        if (reconciled.retryMs <= nowMs) work.retry(reconciled);
        if (reconciled.lookMs <= nowMs) await work.look(reconciled);
        await work.turn(reconciled);
      } while (reconciled.hasWork && this.#isOurs(reconciled));
    } catch (error) {
      metrics.failures.inc();
      logger.warn('a turn of driving a command failed', { command: reconciled.command.id, err: error });
      reconciled.expectAnswers(clock.now());
      reconciled.checkMs = Math.max(reconciled.checkMs, clock.now() + TICK_MS);
    }
  }

  #isOurs({ command }: ReconciledCommand): boolean {
    return !this.#stopped && this.#reconciled.get(command.id)?.command === command;
  }
}

const ON_ENDPOINTS: readonly CommandState[] = ['sent', 'accepted', 'running'];
const JUST_LOOKED_MS = 1_000;
const CHECK_MS = 1_000;
const FIRST_MS = 1_200;
