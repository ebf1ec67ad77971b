/** Why a new session is to replace the current one: it is on the wrong channel, the gateway asked for it, or Live may work again. */
export type MoveReason = 'desired mode' | 'reconnect' | 'retry live';

/** The next move that an agent plans, at the earliest time that any reason asks for. The target is chosen when it begins. */
export class PlannedMove {
  readonly #begin: (reason: MoveReason) => void;
  #plan: { readonly timer: NodeJS.Timeout; readonly atMs: number; readonly reason: MoveReason } | undefined;

  constructor(begin: (reason: MoveReason) => void) {
    this.#begin = begin;
  }

  in(delayMs: number, why: MoveReason): void {
    const planned = this.#plan?.reason === 'retry live' ? undefined : this.#plan;
    if (planned !== undefined && why === 'retry live') return;
    const now = performance.now();
    const atMs = Math.min(now + delayMs, planned?.atMs ?? Number.POSITIVE_INFINITY);
    const reason = planned?.reason === 'reconnect' ? 'reconnect' : why;
    clearTimeout(this.#plan?.timer);
    const timer = setTimeout(() => {
      this.#plan = undefined;
      this.#begin(reason);
    }, atMs - now);
    this.#plan = { timer, atMs, reason };
  }

  cancel(): void {
    clearTimeout(this.#plan?.timer);
    this.#plan = undefined;
  }
}
