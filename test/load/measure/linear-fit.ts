/** A figure of several sizes of a fleet as `base + slope × size`. */
export interface Fit {
  readonly base: number;
  readonly slope: number;
  /** The largest distance of a measured value from the line, as a share of the value. */
  readonly error: number;
  /** How the figure grows, as the exponent of the size: 1 is linear, 2 is square. */
  readonly exponent: number;
  /** Whether it grows faster than the fleet, or the line does not describe it. */
  readonly isLinear: boolean;
}

export type Point = readonly [size: number, value: number];

/** What noise of a shared machine alone does. */
const MOST_EXPONENT = 1.2;
const MOST_ERROR = 0.2;

/**
 * Least squares of the relative distances, so that the small sizes count as much as the large ones. A line does not
 * begin below zero: a part that is negative would hide growth that is faster than linear. With one size the line goes
 * through zero.
 */
export function fitLine(points: readonly Point[]): Fit {
  const usable = points.filter(([size, value]) => size > 0 && value > 0 && Number.isFinite(value));
  const [base, slope] = lineOf(usable);
  const distances = usable.map(([size, value]) => Math.abs(base + slope * size - value) / value);
  const error = Math.max(0, ...distances);
  const exponent = exponentOf(usable);
  return { base, slope, error, exponent, isLinear: !(exponent > MOST_EXPONENT) && error <= MOST_ERROR };
}

function lineOf(points: readonly Point[]): [base: number, slope: number] {
  let [w, wx, wy, wxx, wxy] = [0, 0, 0, 0, 0];
  for (const [x, y] of points) {
    const weight = 1 / (y * y);
    w += weight;
    wx += weight * x;
    wy += weight * y;
    wxx += weight * x * x;
    wxy += weight * x * y;
  }
  const determinant = w * wxx - wx * wx;
  const hasTwoSizes = new Set(points.map(([x]) => x)).size > 1;
  const slope = hasTwoSizes ? (w * wxy - wx * wy) / determinant : 0;
  const base = hasTwoSizes ? (wy - slope * wx) / w : -1;
  if (base >= 0 && slope >= 0) return [base, slope];
  if (hasTwoSizes && slope < 0) return [wy / w, 0];
  return [0, wxx === 0 ? Number.NaN : wxy / wxx];
}

/** The slope of the logarithms. */
function exponentOf(points: readonly Point[]): number {
  const logs = points.map(([x, y]) => [Math.log(x), Math.log(y)] as const);
  const mean = (at: 0 | 1): number => logs.reduce((sum, pair) => sum + pair[at], 0) / logs.length;
  const [mx, my] = [mean(0), mean(1)];
  const across = logs.reduce((sum, [x, y]) => sum + (x - mx) * (y - my), 0);
  const along = logs.reduce((sum, [x]) => sum + (x - mx) ** 2, 0);
  return across / along;
}
