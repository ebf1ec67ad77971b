import { LRUCache } from 'lru-cache';
import type { Directory } from '@muster/directory';
import { TargetTree, type CommandId, type TargetLeaf } from '@muster/protocol';
import { targetBinding, targetNums, type CommandRecord } from '@muster/records';

/** Leaves of all trees in memory; each takes about 64 bytes. It is more than one command may have. */
const MAX_LEAVES = 200_000;

/**
 * The Merkle trees from which deliveries take their proofs. The least recently used ones are dropped. They are rebuilt
 * from the command's record when they are needed, because numbers and ids of agents never change.
 */
export class TargetTrees {
  readonly #directory: Pick<Directory, 'byNum'>;
  readonly #trees = new LRUCache<CommandId, Promise<TargetTree>>({ maxSize: MAX_LEAVES });

  constructor(directory: Pick<Directory, 'byNum'>) {
    this.#directory = directory;
  }

  /** Rejects while an agent of the command is missing from this service's directory. */
  of(record: CommandRecord): Promise<TargetTree> {
    const known = this.#trees.get(record.id);
    if (known !== undefined) return known;
    const nums = targetNums(record.targets);
    const tree = TargetTree.overInSlices(this.#leaves(record, nums));
    this.#trees.set(record.id, tree, { size: Math.max(1, nums.length) });
    tree.catch(() => this.drop(record.id));
    return tree;
  }

  drop(id: CommandId): void {
    this.#trees.delete(id);
  }

  *#leaves({ id, targets }: CommandRecord, nums: readonly number[]): Generator<TargetLeaf> {
    for (const [i, num] of nums.entries()) {
      const agentId = this.#directory.byNum(num)?.agentId;
      if (agentId === undefined) throw new Error(`command ${id}: agent number ${num} is not in the directory`);
      const binding = targetBinding(targets, i + 1);
      yield binding === undefined ? { number: i + 1, agentId } : { number: i + 1, agentId, binding };
    }
  }
}
