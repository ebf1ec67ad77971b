import { followView, type Entry, type FollowedView, type StreamStore } from '@muster/bus';
import type { AgentId, OrgId } from '@muster/protocol';
import { parseIdentitySubject, STREAMS } from '@muster/records';
import type { Logger } from '@muster/runtime';

/** May throw: a record that cannot be read is logged and left out. */
export type TakeIdentityRecord = (entry: Entry, org: OrgId, agentId: AgentId) => void;

/**
 * Reads the identities stream for those parts of the gateway that keep some of its records. One reader of all: a reader
 * of one kind costs the broker a search of the whole stream, and each of them looks at every new record.
 */
export class IdentityView {
  readonly #streams: StreamStore;
  readonly #logger: Logger;
  readonly #takers = new Map<string, TakeIdentityRecord[]>();
  readonly #resetListeners: (() => void)[] = [];
  #view: FollowedView | undefined;

  constructor(options: { readonly streams: StreamStore; readonly logger: Logger }) {
    this.#streams = options.streams;
    this.#logger = options.logger;
  }

  /** Call it before the start: records of this kind, in the order of the stream. */
  on(kind: string, take: TakeIdentityRecord): void {
    this.#takers.set(kind, [...(this.#takers.get(kind) ?? []), take]);
  }

  /** Calls the listener when the stream was made again: its sequences are others, and all that it has comes again. */
  onReset(listener: () => void): void {
    this.#resetListeners.push(listener);
  }

  /** Whether all records that were stored at the start were taken. */
  get isStarted(): boolean {
    return this.#view !== undefined;
  }

  /** Resolves when all records that are stored now were taken. */
  async start(): Promise<void> {
    this.#view = await followView(this.#streams, {
      stream: STREAMS.identities.name,
      logger: this.#logger,
      apply: (entry) => this.#take(entry),
      reset: () => {
        for (const listener of this.#resetListeners) listener();
      },
    });
  }

  async stop(): Promise<void> {
    await this.#view?.stop();
  }

  #take(entry: Entry): void {
    const parts = parseIdentitySubject(entry.subject);
    if (parts === undefined) return;
    for (const take of this.#takers.get(parts.kind) ?? []) {
      try {
        take(entry, parts.org, parts.agentId);
      } catch (error) {
        this.#logger.error('unreadable identity record ignored', { err: error, seq: entry.seq });
      }
    }
  }
}
