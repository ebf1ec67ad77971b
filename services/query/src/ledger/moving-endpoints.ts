/**
 * For so long a query waits for the gateway that an endpoint has moved to. Its word is on the way already, or it does
 * not select the endpoint.
 */
const MOVE_WAIT_MS = 5_000;

/** Endpoints that have left a gateway for another one, and since when they are waited for. */
export class MovingEndpoints {
  /** Undefined until the next look at the clock. */
  readonly #sinceMs = new Map<number, number | undefined>();

  add(num: number): void {
    this.#sinceMs.set(num, undefined);
  }

  /** Removes and returns those that were waited for too long. The caller knows which of them have arrived. */
  *expired(nowMs: number): Generator<number> {
    for (const [num, sinceMs] of this.#sinceMs) {
      if (sinceMs === undefined) this.#sinceMs.set(num, nowMs);
      else if (nowMs - sinceMs >= MOVE_WAIT_MS) {
        this.#sinceMs.delete(num);
        yield num;
      }
    }
  }
}
