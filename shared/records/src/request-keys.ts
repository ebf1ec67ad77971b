import type { CommandId } from '@muster/protocol';
import type { CommandRecord } from './command-journal.js';

/** How long a request key refers to the command that was created with it. */
export const REQUEST_KEY_MS = 24 * 3_600_000;

interface First {
  readonly id: CommandId;
  readonly atMs: number;
}

/**
 * Commands by request key. Of two commands with the same key within a day the later one in the journal is void. All services
 * read the journal in the same order, so all of them agree.
 */
export class RequestKeys {
  readonly #firsts = new Map<string, First>();
  /** Void commands, and the first one with the same key. */
  readonly #voids = new Map<CommandId, First>();

  clear(): void {
    this.#firsts.clear();
    this.#voids.clear();
  }

  get(key: string, nowMs: number): CommandId | undefined {
    const first = this.#firsts.get(key);
    return first === undefined || nowMs - first.atMs > REQUEST_KEY_MS ? undefined : first.id;
  }

  /** Takes the next record of the journal; false when it is void. */
  take({ id, requestKey, submittedAtMs }: CommandRecord): boolean {
    if (requestKey === undefined) return true;
    const first = this.#firsts.get(requestKey);
    if (first !== undefined && first.id !== id && submittedAtMs - first.atMs <= REQUEST_KEY_MS) {
      this.#voids.set(id, { id: first.id, atMs: submittedAtMs });
      return false;
    }
    this.#firsts.delete(requestKey);
    this.#firsts.set(requestKey, { id, atMs: submittedAtMs });
    this.#forget(submittedAtMs);
    return true;
  }

  /** The first command with the request key of a void one. */
  firstOf(id: CommandId): CommandId | undefined {
    return this.#voids.get(id)?.id;
  }

  /** The maps are in the order of the journal, which is nearly that of time. */
  #forget(nowMs: number): void {
    for (const map of [this.#firsts, this.#voids] as Map<string, First>[]) {
      for (const [key, { atMs }] of map) {
        if (nowMs - atMs <= 2 * REQUEST_KEY_MS) break;
        map.delete(key);
      }
    }
  }
}
