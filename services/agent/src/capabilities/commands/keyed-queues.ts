/** Work that waits for its turn. */
export interface QueuedJob {
  /** Called when it is this job's turn. The queue stays busy until the promise settles. */
  run(): Promise<void>;
}

export interface QueuePlace {
  /** Removes the job if it has not started. `false` when it has. */
  cancel(): boolean;
}

interface Queue {
  isBusy: boolean;
  readonly waiting: QueuedJob[];
}

/** Jobs that wait with one key. More are refused, so that commands cannot fill the memory of an endpoint. */
const MAX_WAITING = 32;

/**
 * Runs jobs with the same key one after another, in the order in which they came; jobs with different keys run at the
 * same time.
 */
export class KeyedQueues {
  readonly #maxWaiting: number;
  readonly #queues = new Map<string, Queue>();

  constructor({ maxWaiting = MAX_WAITING }: { readonly maxWaiting?: number } = {}) {
    this.#maxWaiting = maxWaiting;
  }

  /** Whether a job with this key would start at once. */
  isFree(key: string): boolean {
    return this.#queues.get(key)?.isBusy !== true;
  }

  /** Starts the job at once or in its turn; `undefined` when too many wait. */
  add(key: string, job: QueuedJob): QueuePlace | undefined {
    const queue = this.#queues.get(key) ?? { isBusy: false, waiting: [] };
    this.#queues.set(key, queue);
    if (queue.isBusy && queue.waiting.length >= this.#maxWaiting) return undefined;
    queue.waiting.push(job);
    this.#next(key, queue);
    return {
      cancel: () => {
        const at = queue.waiting.indexOf(job);
        if (at >= 0) queue.waiting.splice(at, 1);
        return at >= 0;
      },
    };
  }

  #next(key: string, queue: Queue): void {
    if (queue.isBusy) return;
    const job = queue.waiting.shift();
    if (job === undefined) {
      this.#queues.delete(key);
      return;
    }
    queue.isBusy = true;
    const free = (): void => {
      queue.isBusy = false;
      this.#next(key, queue);
    };
    // The job reports its own failures; the queue must go on.
    job.run().then(free, free);
  }
}
