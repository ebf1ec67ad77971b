const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** How an amount is written: for people with a unit (powers of ten), for programs in digits. */
export interface Units {
  bytes(amount: number): string;
  hours(seconds: number): string;
}

export const FOR_PEOPLE: Units = {
  bytes: humanBytes,
  hours: (seconds) => (seconds / 3_600).toLocaleString('en-US', { maximumFractionDigits: seconds < 36_000 ? 1 : 0 }),
};

export const FOR_PROGRAMS: Units = {
  bytes: (amount) => String(Math.round(amount)),
  hours: (seconds) => (seconds / 3_600).toFixed(3),
};

/** `0 B`, `999 B`, `5.9 kB`, `312 kB`, `1.20 GB`: three digits, so that columns can be compared. */
function humanBytes(amount: number): string {
  let value = amount;
  let unit = 0;
  // A value that would be shown as 1000 is shown as 1 of the next unit.
  while (value >= (unit === 0 ? 1_000 : 999.5) && unit < UNITS.length - 1) {
    value /= 1_000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? ''}`;
}
