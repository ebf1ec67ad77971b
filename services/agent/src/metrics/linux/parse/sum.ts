/** The sum of those that are numbers; old kernels have fewer columns. `NaN` when the first is none. */
export function sum(first: number, ...others: readonly number[]): number {
  return others.reduce((total, value) => total + (Number.isNaN(value) ? 0 : value), first);
}
