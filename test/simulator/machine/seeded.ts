/** Numbers that depend only on their arguments, so that a fleet is the same at every start. */

/** 32 well-mixed bits for (seed, index, salt): the finalizer of MurmurHash3 over a running state. */
export function seeded(seed: number, index: number, salt: string): number {
  let state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35);
  for (let i = 0; i < salt.length; i += 1) state = Math.imul(state ^ salt.charCodeAt(i), 0x01000193);
  state ^= state >>> 16;
  state = Math.imul(state, 0x85ebca6b);
  state ^= state >>> 13;
  state = Math.imul(state, 0xc2b2ae35);
  return (state ^ (state >>> 16)) >>> 0;
}

/** Evenly from 0 up to 1. */
export function seededUnit(seed: number, index: number, salt: string): number {
  return seeded(seed, index, salt) / 0x1_0000_0000;
}

/** One of `items`, evenly. */
export function seededPick<T>(seed: number, index: number, salt: string, items: readonly [T, ...T[]]): T {
  return items[seeded(seed, index, salt) % items.length] ?? items[0];
}

/** One of `items` by weight. */
export function seededWeighted<T>(
  seed: number,
  index: number,
  salt: string,
  items: readonly [readonly [weight: number, item: T], ...(readonly [number, T])[]],
): T {
  const total = items.reduce((sum, [weight]) => sum + weight, 0);
  let rest = seededUnit(seed, index, salt) * total;
  for (const [weight, item] of items) {
    rest -= weight;
    if (rest < 0) return item;
  }
  return items[0][1];
}
