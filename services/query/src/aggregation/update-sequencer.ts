import type { GatewayUpdate, PartialUpdate } from '@muster/messages';

export type SequencedUpdates =
  /** All parts of one partial, or a `targeted` update. */
  | { readonly kind: 'apply'; readonly updates: readonly GatewayUpdate[] }
  /** More parts of this partial follow. */
  | { readonly kind: 'wait' }
  /** Updates before this one were lost, so its merged rows may be incomplete; what does not depend on the lost ones can still be used. */
  | { readonly kind: 'salvage'; readonly updates: readonly GatewayUpdate[] }
  | { readonly kind: 'repeat' };

/** A partial has a handful of parts; one that never ends must not fill the memory. */
const MAX_PARTS = 256;

/** Puts one gateway's updates for one query in sequence: collects the parts of each partial and detects lost updates. */
export class UpdateSequencer {
  #next = 0;
  #lost = 0;
  #parts: PartialUpdate[] = [];
  /** After a gap it is unknown whether the next part begins or continues a partial; until the next end it counts as a continuation. */
  #broken = false;

  get lost(): number {
    return this.#lost;
  }

  take(update: GatewayUpdate): SequencedUpdates {
    if (update.seq < this.#next) return { kind: 'repeat' };
    const stranded: GatewayUpdate[] = [];
    if (update.seq > this.#next) {
      this.#lost += update.seq - this.#next;
      stranded.push(...this.#parts);
      this.#parts = [];
      this.#broken = true;
    }
    this.#next = update.seq + 1;
    if (update.t === 'targeted') return this.#takeTargeted(update, stranded);
    if (this.#broken) {
      this.#broken = update.more;
      return { kind: 'salvage', updates: [...stranded, update] };
    }
    this.#parts.push(update);
    if (update.more && this.#parts.length < MAX_PARTS) return { kind: 'wait' };
    const updates = this.#parts;
    this.#parts = [];
    return { kind: 'apply', updates };
  }

  /** A `targeted` update stands between partials, never inside one, so a new partial begins after it. */
  #takeTargeted(update: GatewayUpdate, stranded: GatewayUpdate[]): SequencedUpdates {
    this.#broken = false;
    stranded.push(...this.#parts);
    this.#parts = [];
    return stranded.length === 0
      ? { kind: 'apply', updates: [update] }
      : { kind: 'salvage', updates: [...stranded, update] };
  }
}
