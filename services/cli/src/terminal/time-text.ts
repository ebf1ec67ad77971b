const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** `45 s`, `12 min`, `2 h 30 min`: the two largest units, rounded to the smaller of them. */
export function durationText(ms: number): string {
  const first = UNITS.findIndex(([, unit]) => ms >= unit);
  const [name, size] = UNITS[first] ?? ['s', 1_000];
  const [smallerName, smaller] = UNITS[first + 1] ?? ['', size];
  if (first < 0 || smaller === size) return `${Math.round(ms / size)} ${name}`;
  const rounded = Math.round(ms / smaller) * smaller;
  // Rounding up may give a whole number of the larger unit.
  if (rounded !== ms && rounded % size === 0) return durationText(rounded);
  const rest = Math.round((rounded % size) / smaller);
  return `${Math.floor(rounded / size)} ${name}${rest === 0 ? '' : ` ${rest} ${smallerName}`}`;
}

/** ` in 1.5 s`, from one RFC 3339 time to another; empty while there is no end. */
export function elapsedText(from: string, to: string | undefined): string {
  return to === undefined ? '' : ` in ${((Date.parse(to) - Date.parse(from)) / 1_000).toFixed(1)} s`;
}

/** `12:00:41` of an RFC 3339 time in local time, with the date when it is not today's. */
export function wallTime(time: string, nowMs: number): string {
  const at = new Date(time);
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(twoDigits).join(':');
  if (at.toDateString() === new Date(nowMs).toDateString()) return clock;
  return `${at.getFullYear()}-${twoDigits(at.getMonth() + 1)}-${twoDigits(at.getDate())} ${clock}`;
}

const twoDigits = (value: number): string => String(value).padStart(2, '0');
