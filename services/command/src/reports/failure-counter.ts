import { LRUCache } from 'lru-cache';
import type { CommandId } from '@muster/protocol';

const MAX_COMMANDS = 10_000;

/** Counts per target how often something failed. Each process counts by itself, so with several services the sum is higher. */
export class FailureCounter {
  readonly #counts = new LRUCache<CommandId, Map<number, number>>({ max: MAX_COMMANDS });

  /** The count of this target, this failure included. */
  add(id: CommandId, target: number): number {
    const counts = this.#counts.get(id) ?? new Map<number, number>();
    const count = (counts.get(target) ?? 0) + 1;
    this.#counts.set(id, counts.set(target, count));
    return count;
  }

  forget(id: CommandId): void {
    this.#counts.delete(id);
  }
}
