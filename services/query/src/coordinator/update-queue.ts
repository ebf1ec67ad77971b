/** So much is taken in one turn of the event loop: some ten milliseconds of work. */
const TURN_BYTES = 512 * 1024;
/** What waits beyond this is taken whatever the turn lasts: it came faster than it could be taken, and memory is bounded. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;

export interface UpdateQueueOptions {
  readonly turnBytes?: number;
  readonly maxWaitingBytes?: number;
}

/**
 * Takes messages in the order in which they came. The client of the broker hands over everything that was in the socket in one turn of the
 * event loop, updates of a hundred gateways among it; here the first of them are taken at once and the others in the next turns, so that
 * heartbeats, requests and timers have theirs in between.
 */
export class UpdateQueue {
  readonly #take: (data: Uint8Array) => void;
  readonly #turnBytes: number;
  readonly #maxWaitingBytes: number;
  #waiting: (Uint8Array | (() => void))[] = [];
  #head = 0;
  #waitingBytes = 0;
  #takenBytes = 0;
  #nextTurn: NodeJS.Immediate | undefined;

  constructor(take: (data: Uint8Array) => void, options: UpdateQueueOptions = {}) {
    this.#take = take;
    this.#turnBytes = options.turnBytes ?? TURN_BYTES;
    this.#maxWaitingBytes = options.maxWaitingBytes ?? MAX_WAITING_BYTES;
  }

  push(data: Uint8Array): void {
    this.#nextTurn ??= setImmediate(() => this.#beginTurn());
    this.#waiting.push(data);
    this.#waitingBytes += data.length;
    this.#takeSome();
  }

  /** Calls `then` when all messages that came before were taken: at once when none waits. It must not throw. */
  afterArrived(then: () => void): void {
    if (this.#waiting.length > this.#head) this.#waiting.push(then);
    else then();
  }

  /** Messages that wait are dropped; who waits for them is called. */
  stop(): void {
    clearImmediate(this.#nextTurn);
    this.#nextTurn = undefined;
    const waiting = this.#waiting.slice(this.#head);
    this.#waiting = [];
    this.#head = this.#waitingBytes = this.#takenBytes = 0;
    for (const one of waiting) if (typeof one === 'function') one();
  }

  #beginTurn(): void {
    this.#takenBytes = 0;
    this.#nextTurn = this.#waiting.length === 0 ? undefined : setImmediate(() => this.#beginTurn());
    this.#takeSome();
  }

  #takeSome(): void {
    while (this.#takenBytes < this.#turnBytes || this.#waitingBytes > this.#maxWaitingBytes) {
      const data = this.#waiting[this.#head];
      if (data === undefined) break;
      this.#head += 1;
      if (typeof data === 'function') {
        data();
        continue;
      }
      this.#waitingBytes -= data.length;
      this.#takenBytes += data.length;
      this.#take(data);
    }
    if (this.#head < 256 && this.#head < this.#waiting.length) return;
    this.#waiting = this.#waiting.slice(this.#head);
    this.#head = 0;
  }
}
