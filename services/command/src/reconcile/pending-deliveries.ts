import type { OpenCommand } from '../journal/open-command.js';

/** Commands with at most so many targets are filed under each of their agents; larger ones are searched. */
const FILED = 16;

/**
 * Agent number → its targets of open commands. Small commands, of which there may be many thousands, are found by their agents; large ones,
 * of which there are few, are searched in the order that their target lists have anyway, so that a target costs nothing here.
 */
export class PendingDeliveries {
  readonly #small = new Map<number, OpenCommand[]>();
  readonly #large = new Map<OpenCommand, TargetIndex>();

  add(command: OpenCommand): void {
    const { nums } = command.fold;
    if (nums.length > FILED) {
      this.#large.set(command, new TargetIndex(nums));
      return;
    }
    for (const num of new Set(nums)) {
      const box = this.#small.get(num);
      if (box === undefined) this.#small.set(num, [command]);
      else if (!box.includes(command)) box.push(command);
    }
  }

  remove(command: OpenCommand): void {
    if (this.#large.delete(command)) return;
    for (const num of new Set(command.fold.nums)) {
      const box = this.#small.get(num)?.filter((other) => other !== command) ?? [];
      if (box.length === 0) this.#small.delete(num);
      else this.#small.set(num, box);
    }
  }

  clear(): void {
    this.#small.clear();
    this.#large.clear();
  }

  /** The target numbers of these agents, command by command. */
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

/** Finds the targets of an agent: the numbers of a target list are a few rising runs; where they are not, an order is made. */
class TargetIndex {
  readonly #nums: readonly number[];
  /** Where each rising run begins, and the end of the last. */
  readonly #runs: number[] = [0];
  readonly #order: Uint32Array | undefined;

  constructor(nums: readonly number[]) {
    this.#nums = nums;
    for (let i = 1; i < nums.length && this.#runs.length <= MAX_RUNS; i += 1) {
      if ((nums[i] ?? 0) <= (nums[i - 1] ?? 0)) this.#runs.push(i);
    }
    if (this.#runs.length > MAX_RUNS) {
      this.#order = Uint32Array.from(nums.keys()).sort((a, b) => (nums[a] ?? 0) - (nums[b] ?? 0) || a - b);
      this.#runs = [0];
    }
    this.#runs.push(nums.length);
  }

  targetsOf(num: number): number[] {
    const targets: number[] = [];
    for (let run = 0; run + 1 < this.#runs.length; run += 1) {
      const end = this.#runs[run + 1] ?? 0;
      for (let at = this.#firstAt(num, this.#runs[run] ?? 0, end); at < end && this.#num(at) === num; at += 1) {
        targets.push((this.#order?.[at] ?? at) + 1);
      }
    }
    return targets;
  }

  #num(at: number): number {
    return this.#nums[this.#order?.[at] ?? at] ?? 0;
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
