import type { AgentJson } from '@muster/api-contract';
import { client } from '../api/client.js';

const PAGE = 1_000;
/** Pages are read ahead of what is looked at by so many rows. */
const AHEAD = 400;

export interface AgentListState {
  readonly agents: readonly AgentJson[];
  readonly isComplete: boolean;
  readonly error: unknown;
}

/**
 * The endpoints that a selector selects, read page by page as far as they are looked at. The API lists by a cursor, so
 * the list grows from its start; its whole length is known from the counts.
 */
export class AgentList {
  readonly #selector: string;
  readonly #listeners = new Set<() => void>();
  readonly #stop = new AbortController();
  #agents: AgentJson[] = [];
  #cursor: string | undefined;
  #wanted = PAGE;
  #isReading = false;
  #state: AgentListState = { agents: [], isComplete: false, error: undefined };

  constructor(selector: string) {
    this.#selector = selector;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  readonly state = (): AgentListState => this.#state;

  /** Rows up to this one are looked at. */
  readonly look = (_from: number, to: number): void => {
    this.#wanted = Math.max(this.#wanted, to + AHEAD);
    void this.#read();
  };

  close(): void {
    this.#stop.abort();
    this.#listeners.clear();
  }

  async #read(): Promise<void> {
    if (this.#isReading) return;
    this.#isReading = true;
    try {
      while (!this.#state.isComplete && this.#agents.length < this.#wanted) await this.#readPage();
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#tell({ ...this.#state, error });
    } finally {
      this.#isReading = false;
    }
  }

  async #readPage(): Promise<void> {
    const query = {
      selector: this.#selector,
      limit: PAGE,
      ...(this.#cursor === undefined ? {} : { cursor: this.#cursor }),
    };
    const page = await client.call('GET /v1/agents', { query, signal: this.#stop.signal });
    this.#cursor = page.nextCursor;
    this.#agents = this.#agents.concat(page.items);
    this.#tell({ agents: this.#agents, isComplete: page.nextCursor === undefined, error: undefined });
  }

  #tell(state: AgentListState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}
