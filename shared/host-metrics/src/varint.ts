/** Integers of a sample are at most this large, so that the difference of two of them can still be encoded exactly. */
export const MAX_INTEGER = 2 ** 51 - 1;

/** Signed integers as unsigned ones with small absolute values first: 0, −1, 1, −2, 2 … */
export function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

export function unzigzag(value: number): number {
  return value % 2 === 1 ? -(value + 1) / 2 : value / 2;
}
