import type { CommandId } from '@muster/protocol';

const MAX_COMMANDS = 10_000;

/** How often each target has refused a command without believing it. Counted here only: with several services it takes a few more. */
export class FailureCounter {
  static readonly OUT = 3;
  readonly #counts = new Map<CommandId, Map<number, number>>();

  add(id: CommandId, target: number): number {
    const counts = this.#counts.get(id) ?? new Map<number, number>();
    const count = (counts.get(target) ?? 0) + 1;
    this.#counts.set(id, counts.set(target, count));
    if (this.#counts.size > MAX_COMMANDS)
      for (const oldest of this.#counts.keys()) return (this.#counts.delete(oldest), count);
    return count;
  }

  forget(id: CommandId): void {
    this.#counts.delete(id);
  }
}
