/** What one request should bring. */
const GOAL_BYTES = 4 * 1024 * 1024;
/** What one request may bring. */
const MAX_BYTES = 2 * GOAL_BYTES;
/** As many entries of the server's default limit, 1 MB, are within the bound. */
const FIRST_COUNT = 8;

/**
 * How many entries a reader asks for: as many as make 4 MB when they are as large as the largest of the last request, and at most
 * twice as many as before.
 *
 * nats-server has a bound by bytes too, but must not be asked for it: the consumer of the newest entry per subject
 * loses the entry that does not fit (2.9), and the others count it twice as pending.
 */
export class PullSize {
  private readonly most: number;
  private count: number;
  private largest = 0;
  private bytes = 0;

  constructor(most: number) {
    this.most = most;
    this.count = Math.min(FIRST_COUNT, most);
  }

  /** The number of entries of the next request. */
  next(): number {
    if (this.largest > 0) {
      this.count = Math.max(1, Math.min(this.most, 2 * this.count, Math.floor(GOAL_BYTES / this.largest)));
    }
    this.largest = 0;
    this.bytes = 0;
    return this.count;
  }

  /** Counts an entry. Returns whether the request still is within its bound: entries can be larger than those before. */
  fits(bytes: number): boolean {
    this.largest = Math.max(this.largest, bytes);
    this.bytes += bytes;
    return this.bytes <= MAX_BYTES;
  }
}
