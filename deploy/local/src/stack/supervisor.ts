import { rm } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { Child, describeExit, type ChildSpec, type Ready } from './child.js';

/** How long a program may take to stop. */
export const STOP_GRACE_MS = 7_000;
const FIRST_PAUSE_MS = 500;
const MAX_PAUSE_MS = 10_000;
/** A run longer than this counts as healthy: the next failure starts with the first pause again. */
const HEALTHY_MS = 30_000;

export interface SupervisorOptions {
  /** Whether a program that ends by itself is restarted. */
  readonly restart: boolean;
  /** Called with a message at every unexpected end and every restart. */
  readonly onEvent: (text: string) => void;
}

/**
 * Keeps one program running.
 *
 *   start() ──▶ running ──ends──▶ pause (0.5 … 10 s) ──▶ running …
 *                  │  stop()           │ ends with a configuration fault, or restarts are off
 *                  ▼                   ▼
 *               stopped             failed
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #stopping = new AbortController();
  #spec: ChildSpec;
  #child: Child | undefined;
  #ready: Ready = { pid: -1, ports: {} };

  constructor(spec: ChildSpec, options: SupervisorOptions) {
    this.#spec = spec;
    this.#options = options;
  }

  get name(): string {
    return this.#spec.name;
  }

  /** The pid of the current run; -1 when there is none. */
  get pid(): number {
    return this.#child?.running === true ? this.#child.pid : -1;
  }

  /** The port of this name in the ready file. @throws Error when there is none. */
  port(name: string): number {
    const port = this.#ready.ports[name];
    if (port === undefined)
      throw new Error(`${this.name} names no port "${name}": ${JSON.stringify(this.#ready.ports)}`);
    return port;
  }

  /** Resolves when the program is ready for the first time. @throws ChildError when it is not; it has ended then. */
  async start(): Promise<void> {
    // The log file covers one start and its restarts.
    await rm(this.#spec.logPath, { force: true });
    await this.#run();
    void this.#watch();
  }

  /** What runs at the next start. The current run stays what it is. */
  runNext(main: string): void {
    this.#spec = { ...this.#spec, main };
  }

  signal(signal: NodeJS.Signals): boolean {
    return this.#child?.signal(signal) ?? false;
  }

  /** Resolves when the current run has ended. */
  async exited(): Promise<void> {
    await this.#child?.exited;
  }

  async stop(graceMs = STOP_GRACE_MS): Promise<void> {
    this.#stopping.abort();
    await this.#child?.stop(graceMs);
  }

  async #run(): Promise<void> {
    const child = new Child(this.#spec);
    this.#child = child;
    try {
      // Who restarts programs is patient: a start may have much to read.
      const { restart, onEvent } = this.#options;
      this.#ready = await child.ready(restart ? onEvent : undefined);
    } catch (error) {
      await child.stop(0);
      throw error;
    }
    const pinned: Record<string, string> = {};
    for (const [port, variable] of Object.entries(this.#spec.portVariables ?? {})) {
      const bound = this.#ready.ports[port];
      if (bound !== undefined) pinned[variable] = String(bound);
    }
    this.#spec = { ...this.#spec, env: { ...this.#spec.env, ...pinned } };
  }

  async #watch(): Promise<void> {
    const { restart, onEvent } = this.#options;
    let pauseMs = FIRST_PAUSE_MS;
    while (!this.#stopping.signal.aborted) {
      const startedAt = performance.now();
      const child = this.#child;
      if (child === undefined) return;
      const exit = await child.exited;
      if (this.#stopping.signal.aborted) return;
      const how = `${this.name} ${describeExit(exit)}`;
      if (!restart || child.hasConfigFault)
        return onEvent(`${how}; it is not started again (log: ${this.#spec.logPath})`);
      if (performance.now() - startedAt > HEALTHY_MS) pauseMs = FIRST_PAUSE_MS;
      onEvent(`${how}; starting it again in ${pauseMs / 1000} s (log: ${this.#spec.logPath})`);
      await delay(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
      pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS);
      if (this.#stopping.signal.aborted) return;
      // A run that fails early is handled as an ended child in the next iteration.
      await this.#run().then(
        () => onEvent(`${this.name} is back`),
        () => undefined,
      );
    }
  }
}
