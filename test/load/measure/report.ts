export interface Target {
  readonly name: string;
  readonly value: number;
  readonly limit: number;
  readonly unit: string;
  readonly met: boolean;
}

/** A figure against its limit; an empty list when it was not measured. */
export function target(name: string, value: number | undefined, limit: number, unit: string): Target[] {
  return value === undefined ? [] : [{ name, value, limit, unit, met: value <= limit }];
}

/** The rows of a table that shows which targets were met. */
export function verdicts(targets: readonly Target[]): string[][] {
  return targets.map(({ name, value, limit, unit, met }) => [
    met ? 'met' : 'MISSED',
    name,
    `${value.toFixed(2)}${unit}`,
    `≤ ${limit}${unit}`,
  ]);
}

/** Formats rows as columns for a terminal. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  // Words are aligned to the left, figures to the right.
  const pad = (cell: string, width: number): string =>
    /\d/.test(cell) && !/[a-z]{4}/.test(cell) ? cell.padStart(width) : cell.padEnd(width);
  return rows.map((row) => row.map((cell, column) => pad(cell, widths[column] ?? 0)).join('   ')).join('\n');
}
