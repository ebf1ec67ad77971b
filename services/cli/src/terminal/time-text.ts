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

/** `12:00:41 UTC` of an RFC 3339 time, with the date when it is not today's. */
export function wallTime(time: string, nowMs: number): string {
  const at = new Date(time);
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(twoDigits).join(':');
  const isToday = at.toDateString() === new Date(nowMs).toDateString();
  return `${isToday ? '' : `${dateText(at)} `}${clock} ${zoneText(at)}`;
}

/** `2026-11-24 20:41 UTC` of an RFC 3339 time; empty without one. */
export function shortTime(time: string | undefined): string {
  if (time === undefined) return '';
  const at = new Date(time);
  return `${dateText(at)} ${twoDigits(at.getHours())}:${twoDigits(at.getMinutes())} ${zoneText(at)}`;
}

/** `2026-11-24 20:41:07 UTC`. */
export function secondsTime(time: string): string {
  const at = new Date(time);
  const clock = [at.getHours(), at.getMinutes(), at.getSeconds()].map(twoDigits).join(':');
  return `${dateText(at)} ${clock} ${zoneText(at)}`;
}

/** All times are of the zone of the process, which `TZ` and `--utc` set: `UTC`, or what is to be added to UTC, `+01:00`. */
function zoneText(at: Date): string {
  const minutes = -at.getTimezoneOffset();
  if (minutes === 0) return 'UTC';
  const size = Math.abs(minutes);
  return `${minutes < 0 ? '-' : '+'}${twoDigits(Math.floor(size / 60))}:${twoDigits(size % 60)}`;
}

function dateText(at: Date): string {
  return `${at.getFullYear()}-${twoDigits(at.getMonth() + 1)}-${twoDigits(at.getDate())}`;
}

const twoDigits = (value: number): string => String(value).padStart(2, '0');
