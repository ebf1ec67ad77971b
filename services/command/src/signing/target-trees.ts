import type { Directory } from '@muster/directory';
import { TargetTree, type CommandId, type TargetLeaf } from '@muster/protocol';
import { targetBinding, targetNums, type CommandRecord } from '@muster/records';

/** Leaves of all trees that are kept; each costs about 64 bytes. */
const KEEP_TARGETS = 200_000;

/**
 * The trees from which deliveries take their proofs. They are rebuilt from the record when they are needed again: numbers and ids of agents
 * never change. The last used ones are kept.
 */
export class TargetTrees {
  readonly #directory: Pick<Directory, 'byNum'>;
  readonly #kept = new Map<CommandId, Promise<TargetTree>>();
  readonly #sizes = new Map<CommandId, number>();
  #targets = 0;

  constructor(directory: Pick<Directory, 'byNum'>) {
    this.#directory = directory;
  }

  /** Rejects when an agent is not known here, which ends when the directory is whole again. */
  of(record: CommandRecord): Promise<TargetTree> {
    const kept = this.#kept.get(record.id);
    if (kept !== undefined) {
      this.#kept.delete(record.id);
      this.#kept.set(record.id, kept);
      return kept;
    }
    const nums = targetNums(record.targets);
    const made = TargetTree.buildInSlices(this.#leaves(record, nums));
    this.#keep(record.id, made, nums.length);
    made.catch(() => this.drop(record.id));
    return made;
  }

  drop(id: CommandId): void {
    this.#targets -= this.#sizes.get(id) ?? 0;
    this.#sizes.delete(id);
    this.#kept.delete(id);
  }

  *#leaves({ id, targets }: CommandRecord, nums: readonly number[]): Generator<TargetLeaf> {
    for (const [i, num] of nums.entries()) {
      const agentId = this.#directory.byNum(num)?.agentId;
      if (agentId === undefined) throw new Error(`command ${id}: agent number ${num} is not in the directory`);
      const binding = targetBinding(targets, i + 1);
      yield binding === undefined ? { number: i + 1, agentId } : { number: i + 1, agentId, binding };
    }
  }

  #keep(id: CommandId, tree: Promise<TargetTree>, size: number): void {
    this.#kept.set(id, tree);
    this.#sizes.set(id, size);
    this.#targets += size;
    for (const oldest of this.#kept.keys()) {
      if (this.#targets <= KEEP_TARGETS || oldest === id) break;
      this.drop(oldest);
    }
  }
}
