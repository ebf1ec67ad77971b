import { within } from './bounded-call.js';
import { sleep, systemClock, type Clock } from './clock.js';
import type { Logger } from './logger.js';
import type { Component } from './component.js';
import type { Readiness } from './readiness.js';

/**
 *     idle ──start──▶ starting ──all started──▶ ready ──stop──▶ draining ──▶ stopping ──▶ stopped
 *                        └────────a start failed, or stop───────────────────────▲
 */
export type RunnerState = 'idle' | 'starting' | 'ready' | 'draining' | 'stopping' | 'stopped';

export interface RunOutcome {
  /** Why it stopped: the name of a signal, `requested`, or the component that failed. */
  readonly reason: string;
  /** Set when a component called `fail`. */
  readonly failure?: unknown;
  /** Names of components that did not stop in time or threw while they stopped. */
  readonly unclean: readonly string[];
}

export interface RunnerOptions {
  readonly logger: Logger;
  /** Bound of the whole stop, drains included; default 25 s, because Kubernetes allows 30. */
  readonly stopTimeoutMs?: number;
  /** Bound of all drains together; default: what {@link drainTimeoutOf} leaves for them. */
  readonly drainTimeoutMs?: number;
  /** Bound of the stop of one component; default 5 s. */
  readonly componentTimeoutMs?: number;
  /** Time from unready to the first drain, so that load balancers stop sending before anything is refused. */
  readonly unreadyWaitMs?: number;
  readonly clock?: Clock;
  /** Called once when everything runs. */
  readonly onReady?: (ports: Readonly<Record<string, number>>) => void | Promise<void>;
}

/** What stops of components get of a long stop; of a short one they get two fifths. */
const AFTER_DRAINS_MS = 10_000;

/** How much of a graceful stop drains may take: 15 s of the usual 25 s, 3 min of 190 s. */
export function drainTimeoutOf(stopTimeoutMs: number): number {
  return Math.max(Math.floor(stopTimeoutMs * 0.6), stopTimeoutMs - AFTER_DRAINS_MS);
}

interface Entry {
  readonly name: string;
  readonly component: Component;
  /** Live components are stopped, and so is one whose start hangs when the stop begins. */
  state: 'waiting' | 'live' | 'ended';
}

/** Starts components in order and stops them in reverse order, with bounds. Readiness ends first. */
export class Runner implements Readiness {
  readonly #options: RunnerOptions;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #stopTimeoutMs: number;
  readonly #componentTimeoutMs: number;
  readonly #entries: Entry[] = [];
  #state: RunnerState = 'idle';
  #starting: Promise<void> = Promise.resolve();
  #stopping: Promise<RunOutcome> | undefined;
  #inFlight: Promise<void> = Promise.resolve();
  #startError: Error | undefined;
  #failure: { readonly failure: unknown } | undefined;
  readonly #stopAsked = new AbortController();
  readonly #stopBegins = new Promise<void>((resolve) => {
    this.#stopAsked.signal.addEventListener('abort', () => resolve(), { once: true });
  });

  constructor(options: RunnerOptions) {
    this.#options = options;
    this.#logger = options.logger;
    this.#clock = options.clock ?? systemClock;
    this.#stopTimeoutMs = options.stopTimeoutMs ?? 25_000;
    this.#componentTimeoutMs = options.componentTimeoutMs ?? 5_000;
  }

  get state(): RunnerState {
    return this.#state;
  }

  /** Aborted when a stop begins; for long waits while the service is built or started. */
  get stopSignal(): AbortSignal {
    return this.#stopAsked.signal;
  }

  get ready(): boolean {
    return this.#state === 'ready';
  }

  /** Registers a component. Components start in this order and stop in reverse order. */
  go(name: string, component: Component): void {
    this.#entries.push({ name, component, state: 'waiting' });
  }

  /** Registers the stop of something that runs already. */
  defer(name: string, stop: (signal: AbortSignal) => void | Promise<void>): void {
    this.#entries.push({ name, component: { stop }, state: 'live' });
  }

  /**
   * Starts all components that are registered and not started yet: for a service that needs one component running before it
   * can create the next. When one fails it stops all that were started, and rejects with the failure as cause.
   */
  start(): Promise<void> {
    // After a stop nothing starts. A component that is registered late never ran, so it is not stopped.
    this.#starting = this.#starting.then(() => this.#startWaiting());
    return this.#starting;
  }

  /** Starts everything, becomes ready, waits for `stop` or `fail`, and stops everything. */
  async wait(): Promise<RunOutcome> {
    try {
      // A stop does not wait for a start that hangs.
      await Promise.race([this.start(), this.#stopBegins]);
      if (this.#stopping === undefined) await this.#becomeReady();
      await this.#stopBegins;
      const outcome = await this.stop();
      if (this.#startError !== undefined) throw this.#startError;
      return outcome;
    } catch (error) {
      await this.stop('failed');
      throw error;
    }
  }

  /** Begins the stop. Every call returns the same promise. */
  stop(reason = 'requested'): Promise<RunOutcome> {
    return (this.#stopping ??= this.#stopAll(reason));
  }

  /** A component failed for good: stops everything, and the outcome has the failure. */
  fail(name: string, failure: unknown): void {
    if (this.#stopping !== undefined) return;
    this.#logger.error('component failed', { component: name, err: failure });
    this.#failure = { failure };
    void this.stop(`${name} failed`);
  }

  /** Ports bound so far, of all components. */
  ports(): Readonly<Record<string, number>> {
    const all: Record<string, number> = {};
    for (const { component, state } of this.#entries) if (state === 'live') Object.assign(all, component.ports?.());
    return all;
  }

  async #startWaiting(): Promise<void> {
    if (this.#state === 'idle') this.#state = 'starting';
    // By index, because the start of a component may register more components.
    for (let i = 0; i < this.#entries.length && this.#stopping === undefined; i += 1) {
      const entry = this.#entries[i];
      if (entry?.state === 'waiting') await this.#startOne(entry);
    }
  }

  async #startOne(entry: Entry): Promise<void> {
    const startedMs = this.#clock.monotonic();
    entry.state = 'live';
    const starting = (async () => entry.component.start?.())();
    this.#inFlight = starting.catch(() => {});
    try {
      await starting;
    } catch (error) {
      entry.state = 'ended';
      const reason = error instanceof Error ? error.message : String(error);
      this.#startError = new Error(`${entry.name} did not start: ${reason}`, { cause: error });
      await this.stop(`${entry.name} did not start`);
      throw this.#startError;
    }
    this.#logger.debug('component started', {
      component: entry.name,
      tookMs: Math.round(this.#clock.monotonic() - startedMs),
    });
  }

  async #becomeReady(): Promise<void> {
    const ports = this.ports();
    this.#state = 'ready';
    this.#logger.info('listening', { ports });
    await this.#options.onReady?.(ports);
  }

  async #stopAll(reason: string): Promise<RunOutcome> {
    const wasReady = this.ready;
    // Readiness ends first, in the same turn of the event loop as the call.
    this.#state = 'draining';
    this.#stopAsked.abort();
    this.#logger.info('stopping', { reason });
    const overall = new AbortController();
    const timer = this.#clock.setTimeout(() => overall.abort(), this.#stopTimeoutMs);
    const unclean = new Set<string>();
    try {
      await within(this.#clock, this.#componentTimeoutMs, overall.signal, () => this.#inFlight);
      if (wasReady) {
        const { unreadyWaitMs = 0 } = this.#options;
        if (unreadyWaitMs > 0) await sleep(this.#clock, unreadyWaitMs, overall.signal);
        await this.#drainAll(overall.signal, unclean);
      }
      this.#state = 'stopping';
      for (const entry of this.#entries.toReversed()) {
        if (entry.state !== 'live') continue;
        entry.state = 'ended';
        await this.#end(entry, 'stop', { ms: this.#componentTimeoutMs, overall: overall.signal, unclean });
      }
    } finally {
      this.#clock.clear(timer);
      this.#state = 'stopped';
    }
    this.#logger.info('stopped', { reason, unclean: [...unclean] });
    return { reason, ...this.#failure, unclean: [...unclean] };
  }

  async #drainAll(overall: AbortSignal, unclean: Set<string>): Promise<void> {
    const { drainTimeoutMs = drainTimeoutOf(this.#stopTimeoutMs) } = this.#options;
    const untilMs = this.#clock.monotonic() + drainTimeoutMs;
    for (const entry of this.#entries.toReversed()) {
      if (entry.state !== 'live' || entry.component.drain === undefined) continue;
      await this.#end(entry, 'drain', { ms: untilMs - this.#clock.monotonic(), overall, unclean });
    }
  }

  async #end(
    { name, component }: Entry,
    step: 'drain' | 'stop',
    { ms, overall, unclean }: { ms: number; overall: AbortSignal; unclean: Set<string> },
  ): Promise<void> {
    const startedMs = this.#clock.monotonic();
    const result = await within(this.#clock, Math.max(ms, 0), overall, (signal) => component[step]?.(signal));
    const fields = { component: name, step, tookMs: Math.round(this.#clock.monotonic() - startedMs) };
    if (result === 'done') return this.#logger.debug('component ended', fields);
    unclean.add(name);
    if (result === 'late') this.#logger.warn('component did not end in time', fields);
    else this.#logger.warn('component failed to end', { ...fields, err: result.error });
  }
}
