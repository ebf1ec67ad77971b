import type { Bus, BusSubscription } from '@muster/bus';
import { decodeBusMessage, SUBJECTS, type AgentsConnected, type AgentsNotHeld } from '@muster/messages';
import { isTerminal, type CommandId } from '@muster/protocol';
import { decodeNumberSet } from '@muster/records';
import type { Clock, Logger, Timer, Tracer } from '@muster/runtime';
import type { JournalStep, JournalProjection } from '../journal/journal-projection.js';
import type { OpenCommand } from '../journal/open-command.js';
import type { ReconcileSteps } from './reconcile-steps.js';
import { isOverdue } from './deadlines.js';
import { CHECK_MS, ON_ENDPOINTS, ReconciledCommand } from './reconciled-command.js';
import type { ReconcileMetrics } from './reconcile-metrics.js';
import { PendingDeliveries } from './pending-deliveries.js';
import type { FreshRoutes } from '../deliveries/routes.js';

export interface CommandReconcilerOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tracer: Tracer;
  readonly metrics: ReconcileMetrics;
  readonly projection: Pick<JournalProjection, 'open' | 'onStep' | 'onRestart' | 'get'>;
  readonly services: { readonly owns: (id: CommandId) => boolean };
  readonly steps: Pick<ReconcileSteps, 'apply' | 'check' | 'look' | 'retry'>;
  readonly freshRoutes: Pick<FreshRoutes, 'take'>;
  readonly forgetTree: (id: CommandId) => void;
}

const TICK_MS = 100;
/** At most so many due commands start a turn per tick. */
const PER_TICK = 200;
/** Routes were looked up at the submission, so the next look-up can wait this long. */
const JUST_LOOKED_MS = 1_000;
/** Longer than the interval of heartbeats, so that the other live services are known. */
const FIRST_MS = 1_200;
/** Gateways announce their sessions to a service that they hear again; who was announced need not be looked up. */
const ANNOUNCED_MS = 1_000;

/**
 * Brings the commands that this service is responsible for to their end. Journal entries, presence messages of gateways and
 * the clock become steps on a command. It delivers only what a `sent` entry says that was read back from the journal, so a
 * target in the state `queued` was never tried.
 *
 *     entry: sent ──▶ deliver        agent arrives: queued ──▶ append sent      tick: retry, look up, expire, release
 *     entry: cancel ──▶ cancel       agent arrives: sent…running ──▶ deliver
 */
export class CommandReconciler {
  readonly #options: CommandReconcilerOptions;
  readonly #commands = new Map<CommandId, ReconciledCommand>();
  readonly #pending = new PendingDeliveries();
  readonly #working = new Set<Promise<void>>();
  #presence: BusSubscription | undefined;
  #unlisten: (() => void) | undefined;
  #timer: Timer | undefined;
  #first: Timer | undefined;
  #ready = false;
  /** What was announced before this service knew which commands are its own. */
  #early: AgentsConnected[] = [];
  #stopped = false;

  constructor(options: CommandReconcilerOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#commands.size;
  }

  /** Call it when the projection has caught up. */
  start(): void {
    const { bus, clock, projection } = this.#options;
    const unlisten = [projection.onStep((step) => this.#onStep(step)), projection.onRestart(() => this.redistribute())];
    this.#unlisten = () => unlisten.forEach((end) => end());
    this.#presence = bus.subscribe(SUBJECTS.commandPresence, ({ data }) => this.#onPresence(data));
    this.#timer = clock.setInterval(() => this.#tick(), TICK_MS);
    // A service that is not alone hears a heartbeat first, and does not take over every command for a moment.
    this.#first = clock.setTimeout(() => this.#becomeReady(), FIRST_MS);
  }

  #becomeReady(): void {
    this.#ready = true;
    const known = new Set(this.#commands.keys());
    this.redistribute();
    for (const announced of this.#early.splice(0)) this.#onArrived(announced, known);
  }

  /** After a time in which nothing was heard: what endpoints reported then, and which of them came back, is not known. */
  hearsAgain(): void {
    const atMs = this.#options.clock.now() + ANNOUNCED_MS;
    for (const reconciled of this.#commands.values()) reconciled.resume(atMs);
  }

  /** The time was set by so much. Nothing is overdue by that: endpoints are heard first. */
  timeSet(byMs: number): void {
    for (const reconciled of this.#commands.values()) reconciled.timeSet(byMs);
    this.hearsAgain();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.clock.clear(this.#timer);
    this.#options.clock.clear(this.#first);
    this.#presence?.unsubscribe();
    this.#unlisten?.();
    await Promise.all(this.#working);
  }

  /** The set of live services changed: takes over the commands that are now its own, and releases the others. */
  redistribute(): void {
    const { projection, services, metrics, clock } = this.#options;
    for (const [id, { command }] of this.#commands) {
      // After the journal was read again the open commands are other objects.
      if (!services.owns(id) || projection.get(id) !== command) this.#release(command);
    }
    if (!this.#ready) return;
    for (const command of projection.open()) {
      if (this.#commands.has(command.id) || !services.owns(command.id)) continue;
      const reconciled = this.#add(command);
      reconciled.lookSoon(clock.now());
      reconciled.resume(clock.now());
      metrics.takeovers.inc();
    }
  }

  #add(command: OpenCommand): ReconciledCommand {
    const reconciled = new ReconciledCommand(command);
    this.#commands.set(command.id, reconciled);
    this.#pending.add(command);
    return reconciled;
  }

  #release(command: OpenCommand): void {
    this.#commands.delete(command.id);
    this.#pending.remove(command);
  }

  #onStep({ command, entry, step }: JournalStep): void {
    const { services, clock, metrics, freshRoutes, forgetTree } = this.#options;
    const routes = entry.t === 'submitted' ? freshRoutes.take(command.id) : undefined;
    let reconciled = this.#commands.get(command.id);
    if (step.ended) {
      if (reconciled !== undefined) {
        this.#release(command);
        this.#noteEnd(command);
        metrics.ended.inc({ when: isOverdue(command.record, clock.now()) ? 'late' : 'in_time' });
      }
      forgetTree(command.id);
    } else if (reconciled === undefined && entry.t === 'submitted' && services.owns(command.id)) {
      reconciled = this.#add(command);
    }
    if (reconciled === undefined) return;
    for (const { outcome, targets } of step.changes) {
      if (isTerminal(outcome.state)) metrics.settled.inc({ state: outcome.state }, targets.length);
      for (const target of targets) reconciled.heardOf(target);
      if (outcome.state === 'accepted' || outcome.state === 'running')
        for (const target of targets) reconciled.taken(target, clock.now());
      if (outcome.state !== 'sent') continue;
      for (const target of targets) {
        reconciled.sent(target, clock.now());
        const route = routes?.get(command.fold.nums[target - 1] ?? 0);
        reconciled.toDeliver.set(target, reconciled.hints.get(target) ?? route?.gateway);
      }
      reconciled.fresh += targets.length;
      reconciled.expectAnswers(clock.now());
    }
    if (step.ended) return;
    // Agents that were connected at the submission are sent to already; others may have connected since.
    if (step.signed || entry.t === 'released') reconciled.lookSoon(clock.now() + (step.signed ? JUST_LOOKED_MS : 0));
    if (step.cancelled) {
      for (const target of command.fold.inState(...ON_ENDPOINTS)) reconciled.toCancel.set(target, undefined);
      reconciled.expectAnswers(clock.now());
    }
    const isRollout = command.record.rollout !== undefined;
    reconciled.checkMs = Math.min(reconciled.checkMs, clock.now() + (isRollout ? 0 : CHECK_MS));
    this.#schedule(reconciled);
  }

  #noteEnd({ record, fold }: OpenCommand): void {
    const { tracer, logger, clock } = this.#options;
    const { ledger, status } = fold;
    const { targeted, succeeded } = ledger;
    const span = tracer.part('command settle', record.traceparent, {
      startedAtMs: record.submittedAtMs,
      attributes: {
        'muster.command.id': record.id,
        'muster.command.status': status,
        'muster.command.targets': targeted,
        'muster.command.succeeded': succeeded,
      },
    });
    span.end();
    span
      .logger(logger)
      .debug('command ended', { command: record.id, status, tookMs: clock.now() - record.submittedAtMs });
  }

  #onPresence(data: Uint8Array): void {
    const message = decodeBusMessage<AgentsConnected | AgentsNotHeld>(data, 'agents_arrived', 'agents_missing');
    if (message?.t === 'agents_missing') this.#onMissing(message);
    if (message?.t !== 'agents_arrived') return;
    this.#onArrived(message);
    if (!this.#ready) this.#early.push(message);
  }

  #onArrived({ nums, gateway }: AgentsConnected, except?: ReadonlySet<CommandId>): void {
    const nowMs = this.#options.clock.now();
    for (const [command, targets] of this.#pending.targetsOf(decodeNumberSet(nums))) {
      const reconciled = except?.has(command.id) === true ? undefined : this.#commands.get(command.id);
      if (reconciled === undefined) continue;
      for (const target of targets) {
        const state = command.fold.state(target);
        reconciled.arrived(target, nowMs);
        if (state === 'queued') reconciled.toSend.set(target, gateway);
        else if (isTerminal(state)) continue;
        else if (command.fold.cancel === undefined) reconciled.toDeliver.set(target, gateway);
        else reconciled.toCancel.set(target, gateway);
      }
      reconciled.expectAnswers(nowMs);
      this.#schedule(reconciled);
    }
  }

  /** The route was old. It is looked up again: at once for what was just sent, and else, or if it is not found, at the next retry. */
  #onMissing({ id, targets }: AgentsNotHeld): void {
    const reconciled = this.#commands.get(id);
    if (reconciled === undefined) return;
    for (const target of decodeNumberSet(targets)) {
      const state = reconciled.command.fold.state(target);
      if (state === 'accepted' || state === 'running') reconciled.toOffer.add(target);
      if (reconciled.absent.has(target) || state !== 'sent') continue;
      reconciled.absent.add(target);
      reconciled.polled.delete(target);
      if (reconciled.command.fold.cancel === undefined) reconciled.toDeliver.set(target, undefined);
      else reconciled.toCancel.set(target, undefined);
    }
    if (reconciled.toOffer.size > 0) reconciled.retryLater(this.#options.clock.now());
    this.#schedule(reconciled);
  }

  #tick(): void {
    const nowMs = this.#options.clock.now();
    let started = 0;
    for (const reconciled of this.#commands.values()) {
      if (reconciled.dueMs > nowMs || reconciled.working) continue;
      if (++started > PER_TICK) return;
      this.#schedule(reconciled);
    }
  }

  /** A command has one turn at a time; what arrives meanwhile goes into the next one. */
  #schedule(reconciled: ReconciledCommand): void {
    if (reconciled.working || this.#stopped) return;
    reconciled.working = true;
    const working: Promise<void> = this.#turns(reconciled).finally(() => {
      reconciled.working = false;
      this.#working.delete(working);
    });
    this.#working.add(working);
  }

  async #turns(reconciled: ReconciledCommand): Promise<void> {
    const { steps, clock, logger, metrics } = this.#options;
    try {
      do {
        const nowMs = clock.now();
        if (reconciled.checkMs <= nowMs) await steps.check(reconciled);
        if (reconciled.retryMs <= nowMs) steps.retry(reconciled);
        if (reconciled.lookMs <= nowMs) await steps.look(reconciled);
        await steps.apply(reconciled);
      } while (reconciled.hasWork && this.#isCurrent(reconciled));
    } catch (error) {
      metrics.failures.inc();
      logger.warn('turn of a command failed', { command: reconciled.command.id, err: error });
      reconciled.expectAnswers(clock.now());
      reconciled.checkMs = Math.max(reconciled.checkMs, clock.now() + TICK_MS);
    }
  }

  #isCurrent({ command }: ReconciledCommand): boolean {
    return !this.#stopped && this.#commands.get(command.id)?.command === command;
  }
}
