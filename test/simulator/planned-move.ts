/** Why a session is to take the place of the one there is: that is on the wrong channel, is to leave its gateway, or Live may be there again. */
export type MoveReason = 'wanted' | 'elsewhere' | 'try live';

/** The one move that an agent plans, at the earliest time that any reason asks for; where to go is decided when it begins. */
export class PlannedMove {
  readonly #begin: (reason: MoveReason) => void;
  #plan: { readonly timer: NodeJS.Timeout; readonly atMs: number; readonly reason: MoveReason } | undefined;

  constructor(begin: (reason: MoveReason) => void) {
    this.#begin = begin;
  }

  in(delayMs: number, why: MoveReason): void {
    const planned = this.#plan?.reason === 'try live' ? undefined : this.#plan;
    if (planned !== undefined && why === 'try live') return;
    const now = performance.now();
    const atMs = Math.min(now + delayMs, planned?.atMs ?? Number.POSITIVE_INFINITY);
    const reason = planned?.reason === 'elsewhere' ? 'elsewhere' : why;
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
