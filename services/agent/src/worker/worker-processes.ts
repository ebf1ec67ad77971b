import { posix } from 'node:path';
import { type Clock, type Logger, sleep, type Timer } from '@muster/runtime/program';
import { readMounts, remoteMountOf } from '../tables/linux/remote-mounts.js';
import { WorkerProcess, type WorkerProcessOptions } from './worker-process.js';

export interface WorkerProcessesOptions extends WorkerProcessOptions {
  /** A process that is idle for this long is ended; it needs tens of megabytes. */
  readonly idleMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Processes that were given up and have not ended. While there are as many, no other one is started: each keeps its
 * memory until its file system answers.
 */
export const MAX_ABANDONED = 4;
/** A killed process that is still there after this time hangs in the kernel. */
const HANGS_AFTER_MS = 1_000;
const STOP_MS = 2_000;

interface Abandoned {
  readonly path: string | undefined;
  /** What is not touched meanwhile. */
  readonly hung: string | undefined;
  hangs: boolean;
  timer: Timer | undefined;
}

/**
 *   idle ──take──▶ in use ──release──▶ idle ──idleMs──▶ killed ──▶ gone
 *                    │ exit ──▶ gone
 *                    └──abandon (killed or not)──▶ abandoned ──exit──▶ gone
 *
 * The agent's worker processes. One that hangs is left behind, and what it hangs at is not touched by others until it
 * has ended: it ends when its file system answers or is unmounted.
 */
export class WorkerProcesses {
  readonly #options: WorkerProcessesOptions;
  readonly #idle = new Map<WorkerProcess, Timer>();
  readonly #all = new Set<WorkerProcess>();
  readonly #abandoned = new Map<WorkerProcess, Abandoned>();
  readonly #listeners = new Set<() => void>();

  constructor(options: WorkerProcessesOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#all.size;
  }

  get pids(): readonly number[] {
    return [...this.#all].map(({ pid }) => pid);
  }

  /** Whether a process may be taken now. */
  get hasRoom(): boolean {
    return this.#abandoned.size < MAX_ABANDONED;
  }

  /** Why no process can be had for an unknown time, or `undefined`. */
  get fault(): string | undefined {
    const hanging = [...this.#abandoned.values()].filter(({ hangs }) => hangs);
    if (hanging.length < MAX_ABANDONED) return undefined;
    const paths = [...new Set(hanging.flatMap(({ path }) => path ?? []))];
    const where = paths.length === 0 ? '' : `, at ${paths.join(', ')}`;
    return `all ${hanging.length} worker processes that this endpoint may have hang in the kernel${where}`;
  }

  /** The paths at which processes hang. */
  get hung(): readonly string[] {
    return [...new Set([...this.#abandoned.values()].flatMap(({ hung }) => hung ?? []))];
  }

  /** Called when there is room again, or it is known that there will be none. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** An idle process, or a new one. Call only when there is room. */
  take(): WorkerProcess {
    for (const [idle, timer] of this.#idle) {
      this.#options.clock.clear(timer);
      this.#idle.delete(idle);
      return idle;
    }
    const started: WorkerProcess = new WorkerProcess(this.#options, () => this.#gone(started));
    this.#all.add(started);
    return started;
  }

  /** Its task has ended. */
  release(worker: WorkerProcess): void {
    if (!this.#all.has(worker)) return;
    worker.use(undefined);
    // What it was given up for has ended after all.
    if (this.#abandoned.has(worker)) return worker.kill();
    const timer = this.#options.clock.setTimeout(() => {
      this.#idle.delete(worker);
      worker.kill();
    }, this.#options.idleMs);
    timer.unref();
    this.#idle.set(worker, timer);
  }

  /** Gives up a process and what it does. `path` is where it hangs, as far as known. It is killed, unless `mayFinish`. */
  abandon(
    worker: WorkerProcess,
    { path, mayFinish = false }: { readonly path?: string | undefined; readonly mayFinish?: boolean } = {},
  ): void {
    if (!this.#all.has(worker) || this.#abandoned.has(worker)) return;
    const { clock, logger } = this.#options;
    const hung = path === undefined ? undefined : hungAt(path);
    const abandoned: Abandoned = { path, hung, hangs: false, timer: undefined };
    abandoned.timer = clock.setTimeout(() => {
      abandoned.hangs = true;
      logger.warn('a worker process hangs', { pid: worker.pid, path, hanging: this.#abandoned.size });
      this.#changed();
    }, HANGS_AFTER_MS);
    abandoned.timer.unref();
    this.#abandoned.set(worker, abandoned);
    if (mayFinish) return;
    worker.use(undefined);
    worker.kill();
  }

  /**
   * Kills all processes and waits up to two seconds. Those that are left hang in the kernel; they end when their file
   * system answers, and do nothing more.
   */
  async stop(signal?: AbortSignal): Promise<{ readonly stuck: number }> {
    for (const timer of this.#idle.values()) this.#options.clock.clear(timer);
    for (const worker of this.#all) worker.kill();
    const patience = new AbortController();
    this.onChange(() => this.#all.size === 0 && patience.abort());
    if (this.#all.size === 0) return { stuck: 0 };
    const signals = signal === undefined ? [patience.signal] : [patience.signal, signal];
    await sleep(this.#options.clock, STOP_MS, AbortSignal.any(signals));
    const stuck = this.#all.size;
    if (stuck > 0) this.#options.logger.warn('worker processes hang in the kernel and are left behind', { stuck });
    return { stuck };
  }

  #gone(worker: WorkerProcess): void {
    const { clock, logger } = this.#options;
    this.#all.delete(worker);
    clock.clear(this.#idle.get(worker));
    this.#idle.delete(worker);
    const abandoned = this.#abandoned.get(worker);
    clock.clear(abandoned?.timer);
    this.#abandoned.delete(worker);
    if (abandoned?.hangs === true) logger.info('a worker process that hung has ended', { path: abandoned.path });
    this.#changed();
  }

  #changed(): void {
    for (const listener of this.#listeners) listener();
  }
}

/** What is not touched any more because work hangs at `path`: the remote file system that has it, or else itself. */
function hungAt(path: string): string {
  const mounts = readMounts();
  return remoteMountOf(path, mounts) ?? remoteMountOf(posix.normalize(path), mounts) ?? path;
}
