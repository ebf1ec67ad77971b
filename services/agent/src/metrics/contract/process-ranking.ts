import { LIMITS } from '@muster/protocol';
import { readableName } from './instance-names.js';

const TOP = 5;
/** Of one processor: no machine has more. */
const MAX_SHARE = 100_000;

/** A process as the system lists it. */
export interface SeenProcess {
  readonly pid: number;
  /** As Latin-1: a program may call itself what it wants. */
  readonly name: string;
  /** When it started, in any form: together with the id it names one process. */
  readonly start: number | string;
  /** Processor time since it started. `NaN`: unknown. */
  readonly cpuMs: number;
  readonly residentBytes: number;
}

export interface RankedProcess {
  readonly pid: number;
  readonly name: string;
  readonly share: number;
  readonly residentBytes: number;
}

export interface ProcessRanks {
  readonly byCpu: readonly RankedProcess[];
  readonly byMemory: readonly RankedProcess[];
}

/** Names the processes that use most, from two lists of all of them. */
export class ProcessRanking {
  #before: ReadonlyMap<number, SeenProcess> | undefined;
  #beforeMs = 0;

  /** `undefined` for the first list after the start or `forget`. `nowMs` is a time that never goes back. */
  rank(all: readonly SeenProcess[], nowMs: number): ProcessRanks | undefined {
    // What the protocol cannot say would end the session.
    const seen = all.filter(({ pid, residentBytes }) => [pid, residentBytes].every((each) => isCount(each)));
    const before = this.#before;
    const passedMs = nowMs - this.#beforeMs;
    this.#before = new Map(seen.map((one) => [one.pid, one]));
    this.#beforeMs = nowMs;
    if (before === undefined || passedMs <= 0) return undefined;
    const shares = new Map(seen.map((one) => [one, shareOf(one, before.get(one.pid), passedMs)]));
    const shareOfSeen = (one: SeenProcess): number => shares.get(one) ?? 0;
    return {
      byCpu: first(seen, shareOfSeen, shareOfSeen),
      byMemory: first(seen, (one) => one.residentBytes, shareOfSeen),
    };
  }

  forget(): void {
    this.#before = undefined;
  }
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

function shareOf(one: SeenProcess, earlier: SeenProcess | undefined, passedMs: number): number {
  // Another process may have got the id.
  const fromMs = earlier?.start === one.start ? earlier.cpuMs : 0;
  const share = (one.cpuMs - fromMs) / passedMs;
  return share > 0 && share < MAX_SHARE ? share : 0;
}

function first(
  seen: readonly SeenProcess[],
  by: (one: SeenProcess) => number,
  share: (one: SeenProcess) => number,
): RankedProcess[] {
  const used = seen.filter((one) => by(one) > 0).toSorted((a, b) => by(b) - by(a) || a.pid - b.pid);
  return used.slice(0, TOP).map((one) => ({
    pid: one.pid,
    name: readableName(one.name, LIMITS.processNameBytes),
    share: Math.round(share(one) * 1_000) / 1_000,
    residentBytes: one.residentBytes,
  }));
}
