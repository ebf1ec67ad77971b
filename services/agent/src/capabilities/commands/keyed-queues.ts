/** Work that waits for its turn in a lane. */
export interface LaneJob {
  /** Called when it is this job's turn; the lane is taken until the promise settles. */
  run(): Promise<void>;
}

/** `leave` takes a job out that has not begun, and says whether it did. */
export interface LanePlace {
  leave(): boolean;
}

interface Lane {
  isTaken: boolean;
  readonly queue: LaneJob[];
}

/** What waits in one lane; more is refused, so that nobody's orders can fill the memory of an endpoint. */
const MAX_WAITING = 32;

/** Jobs of one lane run one after another in the order they came; lanes know nothing of each other. */
export class KeyedQueues {
  readonly #maxWaiting: number;
  readonly #lanes = new Map<string, Lane>();

  constructor({ maxWaiting = MAX_WAITING }: { readonly maxWaiting?: number } = {}) {
    this.#maxWaiting = maxWaiting;
  }

  /** Whether a job that came now would begin at once. */
  isFree(name: string): boolean {
    return this.#lanes.get(name)?.isTaken !== true;
  }

  /** Begins the job at once or in its turn; `undefined` when too many wait. */
  enter(name: string, job: LaneJob): LanePlace | undefined {
    const lane = this.#lanes.get(name) ?? { isTaken: false, queue: [] };
    this.#lanes.set(name, lane);
    if (lane.isTaken && lane.queue.length >= this.#maxWaiting) return undefined;
    lane.queue.push(job);
    this.#next(name, lane);
    return {
      leave: () => {
        const at = lane.queue.indexOf(job);
        if (at >= 0) lane.queue.splice(at, 1);
        return at >= 0;
      },
    };
  }

  #next(name: string, lane: Lane): void {
    if (lane.isTaken) return;
    const job = lane.queue.shift();
    if (job === undefined) {
      this.#lanes.delete(name);
      return;
    }
    lane.isTaken = true;
    const free = (): void => {
      lane.isTaken = false;
      this.#next(name, lane);
    };
    // A job that fails has said so elsewhere; the lane must go on.
    job.run().then(free, free);
  }
}
