const FIRST_PLACES = 512;
/** 2³² divided by the golden ratio: neighbouring numbers end far from each other. */
const SPREAD = 0x9e3779b1;

/**
 * Which slot an identity has: a hash table of slots alone (open addressing, linear probing), since the numbers are in
 * the slots. Eight bytes an endpoint, where a `Map` takes fifty.
 */
export class SlotIndex {
  /** The number of the identity in a slot. */
  readonly #numOf: (slot: number) => number;
  /** Slots, each one more than it is; 0 is a free place. A power of two. */
  #places = new Uint32Array(FIRST_PLACES);
  #size = 0;

  constructor(numOf: (slot: number) => number) {
    this.#numOf = numOf;
  }

  get size(): number {
    return this.#size;
  }

  slotOf(num: number): number | undefined {
    const slot = this.#places[this.#find(num)] as number;
    return slot === 0 ? undefined : slot - 1;
  }

  /** The identity is in its slot, and in no other one. */
  add(slot: number): void {
    this.#size += 1;
    if (3 * this.#size > 2 * this.#places.length) this.#grow();
    this.#places[this.#find(this.#numOf(slot))] = slot + 1;
  }

  /** The identity is in its slot still. */
  remove(slot: number): void {
    const places = this.#places;
    const last = places.length - 1;
    let free = this.#find(this.#numOf(slot));
    if (places[free] === 0) return;
    this.#size -= 1;
    // What follows moves up, unless its own place is behind the free one: a search ends at the first free place.
    for (let at = (free + 1) & last; places[at] !== 0; at = (at + 1) & last) {
      const own = this.#first(this.#numOf((places[at] as number) - 1));
      if (((at - own) & last) < ((at - free) & last)) continue;
      places[free] = places[at] as number;
      free = at;
    }
    places[free] = 0;
  }

  /** The place of a number, or the free one at which it would be. */
  #find(num: number): number {
    const places = this.#places;
    const last = places.length - 1;
    let at = this.#first(num);
    for (let slot = places[at] as number; slot !== 0; slot = places[at] as number) {
      if (this.#numOf(slot - 1) === num) return at;
      at = (at + 1) & last;
    }
    return at;
  }

  #first(num: number): number {
    const mixed = Math.imul(num | 0, SPREAD);
    return (mixed ^ (mixed >>> 15)) & (this.#places.length - 1);
  }

  #grow(): void {
    const before = this.#places;
    this.#places = new Uint32Array(2 * before.length);
    for (const slot of before) if (slot !== 0) this.#places[this.#find(this.#numOf(slot - 1))] = slot;
  }
}
