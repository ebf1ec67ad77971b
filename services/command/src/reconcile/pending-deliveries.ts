import type { OpenCommand } from '../journal/open-command.js';

/** Commands with at most so many targets are indexed by agent; larger ones are searched. */
const INDEXED = 16;

/**
 * Finds the targets of open commands by agent number. Small commands, of which there may be many thousands, are indexed by
 * agent. Large ones are few; their target lists are sorted in runs and are searched, so that a target needs no memory here.
 */
export class PendingDeliveries {
  readonly #small = new Map<number, OpenCommand[]>();
  readonly #large = new Map<OpenCommand, TargetIndex>();

  add(command: OpenCommand): void {
    const { nums } = command.fold;
    if (nums.length > INDEXED) {
      this.#large.set(command, new TargetIndex(nums));
      return;
    }
    for (const num of new Set(nums)) {
      const commands = this.#small.get(num);
      if (commands === undefined) this.#small.set(num, [command]);
      else if (!commands.includes(command)) commands.push(command);
    }
  }

  remove(command: OpenCommand): void {
    if (this.#large.delete(command)) return;
    for (const num of new Set(command.fold.nums)) {
      const commands = this.#small.get(num)?.filter((other) => other !== command) ?? [];
      if (commands.length === 0) this.#small.delete(num);
      else this.#small.set(num, commands);
    }
  }

  targetsOf(nums: readonly number[]): Map<OpenCommand, number[]> {
    const found = new Map<OpenCommand, number[]>();
    const add = (command: OpenCommand, targets: readonly number[]): void => {
      if (targets.length === 0) return;
      const known = found.get(command);
      if (known === undefined) found.set(command, [...targets]);
      else known.push(...targets);
    };
    for (const num of nums) {
      for (const command of this.#small.get(num) ?? []) {
        add(
          command,
          command.fold.nums.flatMap((each, i) => (each === num ? [i + 1] : [])),
        );
      }
      for (const [command, index] of this.#large) add(command, index.targetsOf(num));
    }
    return found;
  }
}

/** Finds the targets of an agent. A target list is a few rising runs of agent numbers; if it is not, it gets a sorted index. */
class TargetIndex {
  readonly #nums: readonly number[];
  /** The start of each rising run, and the end of the last one. */
  readonly #runs: number[] = [0];
  readonly #sorted: Uint32Array | undefined;

  constructor(nums: readonly number[]) {
    this.#nums = nums;
    for (let i = 1; i < nums.length && this.#runs.length <= MAX_RUNS; i += 1) {
      if ((nums[i] ?? 0) <= (nums[i - 1] ?? 0)) this.#runs.push(i);
    }
    if (this.#runs.length > MAX_RUNS) {
      this.#sorted = Uint32Array.from(nums.keys()).sort((a, b) => (nums[a] ?? 0) - (nums[b] ?? 0) || a - b);
      this.#runs = [0];
    }
    this.#runs.push(nums.length);
  }

  targetsOf(num: number): number[] {
    const targets: number[] = [];
    for (let run = 0; run + 1 < this.#runs.length; run += 1) {
      const end = this.#runs[run + 1] ?? 0;
      for (let at = this.#firstAt(num, this.#runs[run] ?? 0, end); at < end && this.#num(at) === num; at += 1) {
        targets.push((this.#sorted?.[at] ?? at) + 1);
      }
    }
    return targets;
  }

  #num(at: number): number {
    return this.#nums[this.#sorted?.[at] ?? at] ?? 0;
  }

  #firstAt(num: number, from: number, to: number): number {
    let low = from;
    let high = to;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#num(middle) < num) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const MAX_RUNS = 8;
