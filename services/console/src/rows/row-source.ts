import { streamPort } from '../stream/stream-port.js';
import type { FromWorker, Line, RowsState, ToWorker } from './protocol.js';
import type { View } from './row-view.js';

export type Snapshot = RowsState & {
  /** The line at a place of the view, when it has come from the worker. */
  readonly line: (place: number) => Line | undefined;
};

type Question = Extract<ToWorker, { readonly request: number }>;
type WithoutRequest<T> = T extends unknown ? Omit<T, 'request'> : never;

const NOTHING: RowsState = {
  phase: 'opening',
  query: undefined,
  ledger: undefined,
  polling: undefined,
  working: undefined,
  elapsedMs: 0,
  columns: [],
  kept: 0,
  dropped: 0,
  length: 0,
  pending: 0,
  version: 0,
  failures: 0,
  failureGroups: [],
  warnings: [],
  reduced: undefined,
  lastSeq: undefined,
  problem: undefined,
  since: undefined,
  synthesized: false,
};

const NOT_LOADED = {
  code: 'not_loaded',
  detail: 'The console may have been updated since this page was opened: load the page again.',
};

/** The rows of one query as a page sees them. They are in a worker; here is how it stands, and the lines that are looked at. */
export class RowSource {
  readonly #worker = new Worker(new URL('./row-worker.ts', import.meta.url), { type: 'module' });
  readonly #listeners = new Set<() => void>();
  readonly #questions = new Map<number, (answer: unknown) => void>();
  #requests = 0;
  #view = 0;
  #state: RowsState = NOTHING;
  #lines = new Map<number, Line>();
  #linesVersion = -1;
  #snapshot: Snapshot;

  constructor(queryId: string) {
    this.#snapshot = this.#made();
    this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.#take(data);
    this.#worker.onerror = () => this.#fail();
    const stream = streamPort();
    this.#worker.postMessage({ kind: 'open', queryId, stream } satisfies ToWorker, [stream]);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  readonly snapshot = (): Snapshot => this.#snapshot;

  show(view: View): void {
    this.#view += 1;
    this.#post({ kind: 'view', view, version: this.#view });
  }
  /** Takes in the rows that wait. */
  take(): void {
    this.#post({ kind: 'take' });
  }
  /** Says which lines are looked at. */
  look(from: number, to: number): void {
    this.#post({ kind: 'slice', from, to });
  }

  ask<T>(question: WithoutRequest<Question>): Promise<T> {
    this.#requests += 1;
    const request = this.#requests;
    this.#post({ ...question, request } as ToWorker);
    return new Promise((resolve) => this.#questions.set(request, resolve as (answer: unknown) => void));
  }

  close(): void {
    // It says goodbye to the stream, and ends itself.
    this.#post({ kind: 'close' });
    this.#listeners.clear();
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }

  /** The worker could not be loaded: it has said nothing. */
  #fail(): void {
    if (this.#state !== NOTHING) return;
    this.#state = { ...NOTHING, phase: 'refused', problem: NOT_LOADED };
    this.#snapshot = this.#made();
    for (const listener of this.#listeners) listener();
  }

  #take(message: FromWorker): void {
    if (message.kind === 'answer') {
      this.#questions.get(message.request)?.(message.answer);
      this.#questions.delete(message.request);
      return;
    }
    if (message.kind === 'state') this.#state = message.state;
    else {
      // Lines of an older view stay until those of the new one are there, so that nothing flickers.
      if (message.version !== this.#linesVersion || this.#lines.size > 2_000) this.#lines = new Map();
      this.#linesVersion = message.version;
      for (const line of message.lines) this.#lines.set(line.place, line);
    }
    this.#snapshot = this.#made();
    for (const listener of this.#listeners) listener();
  }

  #made(): Snapshot {
    const lines = this.#lines;
    return { ...this.#state, line: (place) => lines.get(place) };
  }
}
