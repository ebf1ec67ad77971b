import { readdirSync } from 'node:fs';
import { hostMetric } from '@muster/host-metrics';
import { LIMITS } from '@muster/protocol';
import type { ProcessUse, TopProcesses } from '../contract/host-reader.js';
import { readableName } from '../contract/instance-names.js';
import type { Measurements } from '../contract/measurements.js';
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
const TOP = 5;

interface Seen {
  readonly pid: number;
  readonly name: string;
  readonly startTicks: number;
  readonly ticks: number;
  readonly pages: number;
  share: number;
}

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
  /** Processor time of each process at the last reading, by its id; kept only while top processes are asked for. */
  #before: ReadonlyMap<number, Seen> | undefined;
  #beforeMs = 0;

  constructor(options: ProcessesOptions) {
    this.#options = { root: '', ...options };
    this.#users = new UserNames(this.#options.root);
  }

  /** Top processes are there from the second reading in a row that asks for them. */
  async read({ host }: Measurements, withTop: boolean): Promise<TopProcesses | undefined> {
    const pids = processIds(`${this.#options.root}/proc`);
    if (pids === undefined) return undefined;
    for (const series of [RUNNING, SLEEPING, BLOCKED, STOPPED, DEFUNCT, THREADS]) host[series] = 0;
    const seen = new Map<number, Seen>();
    for (let from = 0; from < pids.length; from += PER_TURN) {
      if (from > 0) await new Promise<void>((resolve) => setImmediate(resolve));
      for (const pid of pids.slice(from, from + PER_TURN)) this.#readOne(pid, host, withTop ? seen : undefined);
    }
    const nowMs = this.#options.monotonic();
    const top = withTop ? this.#top(seen, nowMs) : undefined;
    this.#before = withTop ? seen : undefined;
    this.#beforeMs = nowMs;
    return top;
  }

  #readOne(pid: number, host: Float64Array, seen: Map<number, Seen> | undefined): void {
    const bytes = readOnce(`${this.#options.root}/proc/${pid}/stat`);
    const stat = bytes === undefined ? undefined : parseProcessStat(bytes);
    // It has ended meanwhile.
    if (stat === undefined) return;
    const series = STATUS[stat.state] ?? SLEEPING;
    host[series] = (host[series] as number) + 1;
    host[THREADS] = (host[THREADS] as number) + stat.threads;
    const { name, startTicks, ticks, residentPages: pages } = stat;
    seen?.set(pid, { pid, name, startTicks, ticks, pages, share: 0 });
  }

  #top(seen: ReadonlyMap<number, Seen>, nowMs: number): TopProcesses | undefined {
    const before = this.#before;
    const passedMs = nowMs - this.#beforeMs;
    if (before === undefined || passedMs <= 0) return undefined;
    for (const one of seen.values()) {
      const earlier = before.get(one.pid);
      // Another process may have got the id.
      const from = earlier?.startTicks === one.startTicks ? earlier.ticks : 0;
      one.share = Math.max(0, ((one.ticks - from) * TICK_MS) / passedMs);
    }
    const all = [...seen.values()];
    const used = all.filter(({ share }) => share > 0);
    return {
      byCpu: this.#first(used, (one) => one.share),
      byMemory: this.#first(
        all.filter(({ pages }) => pages > 0),
        (one) => one.pages,
      ),
    };
  }

  #first(all: Seen[], by: (one: Seen) => number): ProcessUse[] {
    const first = all.toSorted((a, b) => by(b) - by(a) || a.pid - b.pid).slice(0, TOP);
    return first.map(({ pid, name, share, pages }) => ({
      pid,
      name: readableName(name, LIMITS.processNameBytes),
      share: Math.round(share * 1_000) / 1_000,
      residentBytes: pages * pageKib() * 1_024,
      user: this.#users.ofProcess(pid),
    }));
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
