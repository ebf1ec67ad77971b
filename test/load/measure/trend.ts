/** How a value changes from one measurement to the next. */
export interface Trend {
  readonly slope: number;
  /** Standard error of the slope: what noise alone makes of it. */
  readonly error: number;
  /** Whether the slope is within what noise makes of it (two standard errors), or the value falls. */
  readonly isFlat: boolean;
}

/** Least squares over values at even distances. With fewer than three there is no error to tell. */
export function trendOf(values: readonly number[]): Trend {
  const count = values.length;
  const [mx, my] = [(count - 1) / 2, values.reduce((sum, value) => sum + value, 0) / count];
  let [along, across] = [0, 0];
  values.forEach((value, i) => {
    along += (i - mx) ** 2;
    across += (i - mx) * (value - my);
  });
  const slope = along === 0 ? 0 : across / along;
  const squares = values.reduce((sum, value, i) => sum + (value - my - slope * (i - mx)) ** 2, 0);
  const error = count < 3 ? Number.NaN : Math.sqrt(squares / (count - 2) / along);
  return { slope, error, isFlat: slope <= 0 || slope <= 2 * error };
}
