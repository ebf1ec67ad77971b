import { Worker } from 'node:worker_threads';
import type { SqlParameter } from '@muster/protocol';
import type { CompileFailure, ReduceShape, StatementLimits } from '@muster/tables';

export type ReduceRequest =
  /** Always the first one. */
  | { readonly t: 'open'; readonly shape: ReduceShape; readonly heapBytes: number }
  | {
      readonly t: 'answers';
      readonly block: Uint8Array;
      readonly names: readonly (readonly [num: number, agentId: string, host: string])[];
    }
  /** Of one of the queries. With `more` they count together with the next block that has none. */
  | { readonly t: 'groups'; readonly query: number; readonly block: Uint8Array; readonly more: boolean }
  | {
      readonly t: 'run';
      readonly sql: string;
      readonly parameters: readonly SqlParameter[];
      readonly limits: Partial<StatementLimits>;
    };

export type ReduceReply =
  | { readonly t: 'taken' }
  | { readonly t: 'reduced'; readonly columns: readonly string[]; readonly rows: Uint8Array<ArrayBuffer> }
  | { readonly t: 'refused'; readonly failure: CompileFailure }
  | { readonly t: 'failed'; readonly message: string };

/** The thread of one reduction: one request at a time, each with one reply. It loads its engine as soon as it is made. */
export class ReduceThread {
  readonly #worker: Worker;
  #settle: ((reply: ReduceReply) => void) | undefined;
  #end: ReduceReply | undefined;

  constructor() {
    this.#worker = new Worker(new URL('./reduce-worker.js', import.meta.url), { name: 'reduce' });
    this.#worker.on('message', (reply: ReduceReply) => this.#reply(reply));
    this.#worker.on('error', (error) => this.#finish(error.message));
    this.#worker.on('exit', () => this.#finish('the reduce step was ended'));
  }

  /** Sends a request and resolves with its reply, which is `failed` when the thread dies or is stopped. Never rejects. */
  send(request: ReduceRequest): Promise<ReduceReply> {
    if (this.#end !== undefined) return Promise.resolve(this.#end);
    return new Promise((resolve) => {
      this.#settle = resolve;
      if (!('block' in request)) return this.#worker.postMessage(request);
      // Posting a view would clone the whole buffer behind it, so a copy is transferred.
      const block = request.block.slice();
      this.#worker.postMessage({ ...request, block }, [block.buffer as ArrayBuffer]);
    });
  }

  get alive(): boolean {
    return this.#end === undefined;
  }

  /** Ends the thread, whatever it is doing. */
  async stop(reason: string): Promise<void> {
    this.#finish(reason);
    await this.#worker.terminate();
  }

  #finish(message: string): void {
    this.#end ??= { t: 'failed', message };
    this.#reply(this.#end);
  }

  #reply(reply: ReduceReply): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.(reply);
  }
}
