import type { CommandId } from '@muster/protocol';
import { LRUCache } from 'lru-cache';
import type { OpenCommand } from '../journal/open-command.js';

/** A refusal of what the endpoint could not verify is believed when it was repeated this often … */
const REFUSALS_BELIEVED = 3;
/** … and at least this long lay between two that count. Each of them answers a delivery of its own. */
export const REFUSAL_GAP_MS = 10_000;
const MAX_COMMANDS = 10_000;

/** `first` and `counted` are followed by another delivery after the gap. `too_soon`: it says nothing new. */
export type RefusalVerdict = 'first' | 'counted' | 'too_soon' | 'believed';

interface Due {
  readonly command: OpenCommand;
  readonly number: number;
  readonly atMs: number;
}

interface Count {
  refusals: number;
  lastMs: number;
}

/**
 * Counts, for each target, the refusals with a bad signature. Whoever can change bytes on the way for a moment must not be able to settle
 * a target by that, so the refusals that count lie apart, and each is followed by a delivery after {@link REFUSAL_GAP_MS}. Each process
 * counts by itself, so with several services it takes more of them. Times are monotonic.
 */
export class RepeatedRefusals {
  readonly #counts = new LRUCache<CommandId, Map<number, Count>>({ max: MAX_COMMANDS });
  /** In the order in which they are due. */
  #due: Due[] = [];

  add(command: OpenCommand, number: number, nowMs: number): RefusalVerdict {
    const counts = this.#counts.get(command.id) ?? new Map<number, Count>();
    this.#counts.set(command.id, counts);
    const count = counts.get(number) ?? { refusals: 0, lastMs: Number.NEGATIVE_INFINITY };
    if (nowMs - count.lastMs < REFUSAL_GAP_MS) return 'too_soon';
    counts.set(number, { refusals: count.refusals + 1, lastMs: nowMs });
    if (count.refusals + 1 >= REFUSALS_BELIEVED) return 'believed';
    this.#due.push({ command, number, atMs: nowMs + REFUSAL_GAP_MS });
    return count.refusals === 0 ? 'first' : 'counted';
  }

  /** Removes and returns the targets that are to get their next delivery now. */
  takeDue(nowMs: number): Map<OpenCommand, number[]> {
    const due = new Map<OpenCommand, number[]>();
    const waiting = this.#due.findIndex(({ atMs }) => atMs > nowMs);
    const taken = this.#due.splice(0, waiting < 0 ? this.#due.length : waiting);
    for (const { command, number } of taken) {
      const numbers = due.get(command);
      if (numbers === undefined) due.set(command, [number]);
      else numbers.push(number);
    }
    return due;
  }

  forget(id: CommandId): void {
    this.#counts.delete(id);
  }
}
