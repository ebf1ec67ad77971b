import { readdirSync } from 'node:fs';
import { hostMetric } from '@muster/host-metrics';
import type { ProcessUse, TopProcesses } from '../contract/host-reader.js';
import type { Measurements } from '../contract/measurements.js';
import { ProcessRanking, type RankedProcess, type SeenProcess } from '../contract/process-ranking.js';
import { pageKib } from './page-size.js';
import { parseProcessStat, TICK_MS } from './parse/process.js';
import { readOnce } from './read-once.js';
import { UserNames } from './user-names.js';

const status = (value: string): number => hostMetric('system.process.count', { 'process.status': value });
const RUNNING = status('running');
const SLEEPING = status('sleeping');
const BLOCKED = status('blocked');
const STOPPED = status('stopped');
const DEFUNCT = status('defunct');
const THREADS = hostMetric('system.thread.count');
const STATUS: Readonly<Record<string, number>> = {
  R: RUNNING,
  D: BLOCKED,
  T: STOPPED,
  t: STOPPED,
  Z: DEFUNCT,
  X: DEFUNCT,
};

/** After so many the event loop has a turn: they take a millisecond or two. */
const PER_TURN = 50;
const MAX_PROCESSES = 20_000;

export interface ProcessesOptions {
  /** A time that never goes back, in milliseconds. */
  readonly monotonic: () => number;
  /** Where `proc` and `etc` are; empty unless given. */
  readonly root?: string;
}

/** Counts processes by state and, where it is asked to, names those that use most. */
export class Processes {
  readonly #options: Required<ProcessesOptions>;
  readonly #users: UserNames;
  readonly #ranking = new ProcessRanking();

  constructor(options: ProcessesOptions) {
    this.#options = { root: '', ...options };
    this.#users = new UserNames(this.#options.root);
  }

  /** Top processes are there from the second reading in a row that asks for them. */
  async read({ host }: Measurements, withTop: boolean): Promise<TopProcesses | undefined> {
    const pids = processIds(`${this.#options.root}/proc`);
    if (pids === undefined) return undefined;
    for (const series of [RUNNING, SLEEPING, BLOCKED, STOPPED, DEFUNCT, THREADS]) host[series] = 0;
    const seen: SeenProcess[] = [];
    for (let from = 0; from < pids.length; from += PER_TURN) {
      if (from > 0) await new Promise<void>((resolve) => setImmediate(resolve));
      for (const pid of pids.slice(from, from + PER_TURN)) this.#readOne(pid, host, withTop ? seen : undefined);
    }
    if (!withTop) {
      this.#ranking.forget();
      return undefined;
    }
    const ranks = this.#ranking.rank(seen, this.#options.monotonic());
    return ranks && { byCpu: this.#withUsers(ranks.byCpu), byMemory: this.#withUsers(ranks.byMemory) };
  }

  #readOne(pid: number, host: Float64Array, seen: SeenProcess[] | undefined): void {
    const bytes = readOnce(`${this.#options.root}/proc/${pid}/stat`);
    const stat = bytes === undefined ? undefined : parseProcessStat(bytes);
    // It has ended meanwhile.
    if (stat === undefined) return;
    const series = STATUS[stat.state] ?? SLEEPING;
    host[series] = (host[series] as number) + 1;
    host[THREADS] = (host[THREADS] as number) + stat.threads;
    seen?.push({
      pid,
      name: stat.name,
      start: stat.startTicks,
      cpuMs: stat.ticks * TICK_MS,
      residentBytes: stat.residentPages * pageKib() * 1_024,
    });
  }

  #withUsers(ranked: readonly RankedProcess[]): ProcessUse[] {
    return ranked.map((one) => ({ ...one, user: this.#users.ofProcess(one.pid) }));
  }
}

function processIds(folder: string): number[] | undefined {
  try {
    const names = readdirSync(folder).filter((name) => /^[1-9]\d{0,8}$/.test(name));
    return names.slice(0, MAX_PROCESSES).map(Number);
  } catch {
    return undefined;
  }
}
