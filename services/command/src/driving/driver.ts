import type { Bus, BusSubscription } from '@muster/bus';
import { decodeBusMessage, SUBJECTS, type AgentsConnected, type AgentsNotHeld } from '@muster/messages';
import { isTerminal, type CommandId, type CommandState, type GatewayId } from '@muster/protocol';
import { decodeNumberSet } from '@muster/records';
import type { Clock, Logger, Timer } from '@muster/runtime';
import type { JournalStep, JournalView } from '../journal/journal-view.js';
import type { OpenCommand } from '../journal/open-command.js';
import type { FreshRoutes } from '../presence/fresh-routes.js';
import type { CommandWork } from './command-work.js';
import { DrivenCommand } from './driven-command.js';
import type { DrivingMetrics } from './driving-metrics.js';
import type { LiveServices } from './live-services.js';
import { Mailboxes } from './mailboxes.js';

export interface DriverOptions {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: DrivingMetrics;
  readonly view: Pick<JournalView, 'open' | 'onStep' | 'onRestart' | 'get'>;
  readonly services: Pick<LiveServices, 'drives'>;
  readonly work: Pick<CommandWork, 'turn' | 'check' | 'look' | 'retry'>;
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
export class Driver {
  readonly #options: DriverOptions;
  readonly #driven = new Map<CommandId, DrivenCommand>();
  readonly #mailboxes = new Mailboxes();
  readonly #working = new Set<Promise<void>>();
  #presence: BusSubscription | undefined;
  #unlisten: (() => void) | undefined;
  #timer: Timer | undefined;
  #first: Timer | undefined;
  #begun = false;
  #stopped = false;

  constructor(options: DriverOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#driven.size;
  }

  /** The view has caught up. */
  start(): void {
    const { bus, clock, view } = this.#options;
    const unlisten = [view.onStep((step) => this.#stepped(step)), view.onRestart(() => this.redistribute())];
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
    const { view, services, metrics } = this.#options;
    for (const [id, { command }] of this.#driven) {
      // After the journal began again the open commands are other objects.
      if (!services.drives(id) || view.get(id) !== command) this.#let(command);
    }
    if (!this.#begun) return;
    for (const command of view.open()) {
      if (this.#driven.has(command.id) || !services.drives(command.id)) continue;
      this.#resume(this.#take(command));
      metrics.takeovers.inc();
    }
  }

  #take(command: OpenCommand): DrivenCommand {
    const driven = new DrivenCommand(command);
    this.#driven.set(command.id, driven);
    this.#mailboxes.add(command);
    return driven;
  }

  #let(command: OpenCommand): void {
    this.#driven.delete(command.id);
    this.#mailboxes.remove(command);
  }

  /** Nobody knows what the one that drove it before had said and to whom. */
  #resume(driven: DrivenCommand): void {
    const nowMs = this.#options.clock.now();
    driven.lookSoon(nowMs);
    driven.retryMs = nowMs;
  }

  #stepped({ command, entry, step }: JournalStep): void {
    const { services, clock, metrics, freshRoutes, forgetTree } = this.#options;
    const routes = entry.t === 'submitted' ? freshRoutes.take(command.id) : undefined;
    let driven = this.#driven.get(command.id);
    if (step.ended) {
      if (driven !== undefined) this.#let(command);
      forgetTree(command.id);
    } else if (driven === undefined && entry.t === 'submitted' && services.drives(command.id)) {
      driven = this.#take(command);
    }
    if (driven === undefined) return;
    for (const { outcome, targets } of step.changes) {
      if (isTerminal(outcome.state)) metrics.settled.inc({ state: outcome.state }, targets.length);
      for (const target of targets) {
        driven.absent.delete(target);
        driven.polled.delete(target);
      }
      if (outcome.state !== 'sent') continue;
      for (const target of targets) {
        const route = routes?.get(command.fold.nums[target - 1] ?? 0);
        driven.toDeliver.set(target, driven.hints.get(target) ?? route?.gateway);
      }
      driven.fresh += targets.length;
      driven.expectAnswers(clock.now());
    }
    if (step.ended) return;
    // Those that were connected when it was submitted are sent already; the others may have come since.
    if (step.signed || entry.t === 'released') driven.lookSoon(clock.now() + (step.signed ? JUST_LOOKED_MS : 0));
    if (step.cancelled) {
      for (const target of command.fold.inState(...ON_ENDPOINTS)) driven.toCancel.set(target, undefined);
      driven.expectAnswers(clock.now());
    }
    const isRollout = command.record.rollout !== undefined;
    driven.checkMs = Math.min(driven.checkMs, clock.now() + (isRollout ? 0 : CHECK_MS));
    this.#work(driven);
  }

  #heard(data: Uint8Array): void {
    const message = decodeBusMessage<AgentsConnected | AgentsNotHeld>(data, 'agents_arrived', 'agents_missing');
    if (message?.t === 'agents_arrived') this.#arrived(decodeNumberSet(message.nums), message.gateway);
    else if (message !== undefined) this.#missing(message);
  }

  #arrived(nums: readonly number[], gateway: GatewayId): void {
    const nowMs = this.#options.clock.now();
    for (const [command, targets] of this.#mailboxes.targetsOf(nums)) {
      const driven = this.#driven.get(command.id);
      if (driven === undefined) continue;
      for (const target of targets) {
        const state = command.fold.state(target);
        driven.absent.delete(target);
        driven.polled.delete(target);
        if (state === 'queued') driven.toSend.set(target, gateway);
        else if (isTerminal(state)) continue;
        else if (command.fold.cancel === undefined) driven.toDeliver.set(target, gateway);
        else driven.toCancel.set(target, gateway);
      }
      driven.expectAnswers(nowMs);
      this.#work(driven);
    }
  }

  /** The route was old: it is looked up again, once; what is not found then waits for the agent to arrive, or for the next retry. */
  #missing({ id, targets }: AgentsNotHeld): void {
    const driven = this.#driven.get(id);
    if (driven === undefined) return;
    for (const target of decodeNumberSet(targets)) {
      if (driven.absent.has(target) || driven.command.fold.state(target) !== 'sent') continue;
      driven.absent.add(target);
      driven.polled.delete(target);
      if (driven.command.fold.cancel === undefined) driven.toDeliver.set(target, undefined);
      else driven.toCancel.set(target, undefined);
    }
    this.#work(driven);
  }

  #tick(): void {
    const nowMs = this.#options.clock.now();
    let begun = 0;
    for (const driven of this.#driven.values()) {
      if (driven.dueMs > nowMs || driven.working) continue;
      if (++begun > PER_TICK) return;
      this.#work(driven);
    }
  }

  /** One turn at a time for a command: what comes meanwhile is taken together in the next. */
  #work(driven: DrivenCommand): void {
    if (driven.working || this.#stopped) return;
    driven.working = true;
    const working: Promise<void> = this.#turns(driven).finally(() => {
      driven.working = false;
      this.#working.delete(working);
    });
    this.#working.add(working);
  }

  async #turns(driven: DrivenCommand): Promise<void> {
    const { work, clock, logger, metrics } = this.#options;
    try {
      do {
        const nowMs = clock.now();
        if (driven.checkMs <= nowMs) await work.check(driven);
        if (driven.retryMs <= nowMs) work.retry(driven);
        if (driven.lookMs <= nowMs) await work.look(driven);
        await work.turn(driven);
      } while (driven.hasWork && this.#isOurs(driven));
    } catch (error) {
      metrics.failures.inc();
      logger.warn('a turn of driving a command failed', { command: driven.command.id, err: error });
      driven.expectAnswers(clock.now());
      driven.checkMs = Math.max(driven.checkMs, clock.now() + TICK_MS);
    }
  }

  #isOurs({ command }: DrivenCommand): boolean {
    return !this.#stopped && this.#driven.get(command.id)?.command === command;
  }
}

const ON_ENDPOINTS: readonly CommandState[] = ['sent', 'accepted', 'running'];
const JUST_LOOKED_MS = 1_000;
const CHECK_MS = 1_000;
const FIRST_MS = 1_200;
