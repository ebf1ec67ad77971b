import { readFileSync } from 'node:fs';

/** Linux counts in ticks of 10 ms on every architecture on which Node runs. */
const TICK_MS = 10;

/** Milliseconds of processor time, user and system, that a process has used so far; from /proc. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The second field is the program's name in parentheses, which may contain spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

export type CpuUse = Readonly<Record<string, number>>;

/** Sums the processor time of named processes between `begin` and `end`. It hardly depends on what else the machine does. */
export class CpuMeter {
  readonly #pids: ReadonlyMap<string, readonly number[]>;
  #before: ReadonlyMap<string, number> = new Map();
  readonly #used = new Map<string, number>();
  #rounds = 0;

  constructor(pids: Readonly<Record<string, readonly (number | undefined)[]>>) {
    this.#pids = new Map(
      Object.entries(pids).map(([name, list]) => [name, list.filter((pid): pid is number => pid !== undefined)]),
    );
  }

  begin(): void {
    this.#before = this.#sample();
  }

  end(): void {
    for (const [name, ms] of this.#sample()) {
      this.#used.set(name, (this.#used.get(name) ?? 0) + ms - (this.#before.get(name) ?? 0));
    }
    this.#rounds += 1;
  }

  /** Milliseconds per round. */
  perRound(): CpuUse {
    return Object.fromEntries([...this.#used].map(([name, ms]) => [name, ms / Math.max(1, this.#rounds)]));
  }

  #sample(): Map<string, number> {
    return new Map([...this.#pids].map(([name, pids]) => [name, pids.reduce((sum, pid) => sum + cpuMs(pid), 0)]));
  }
}
