import { parseDurationMs } from '@muster/runtime/quantity';
import { usageError } from './cli-error.js';

/** Which of the things that somebody began at some time are listed. */
export interface BeganOptions {
  readonly operator?: string;
  readonly since?: string;
  readonly until?: string;
}

/** The filters as the API takes them. @throws CliError */
export function beganQuery({ operator, since, until }: BeganOptions, nowMs = Date.now()) {
  return { operator, ...timeQuery({ since, until }, nowMs) };
}

/** `--since` and `--until` as the API takes them. @throws CliError */
export function timeQuery(
  { since, until }: { readonly since?: string | undefined; readonly until?: string | undefined },
  nowMs = Date.now(),
) {
  return {
    since: since === undefined ? undefined : moment('--since', since, nowMs),
    until: until === undefined ? undefined : moment('--until', until, nowMs),
  };
}

/** A date or time, of the zone of the process when it names none, or how long ago. */
function moment(option: string, text: string, nowMs: number): string {
  const agoMs = parseDurationMs(text);
  // A date alone is midnight in UTC to `Date`, and here in the zone of the process, as the times that are printed.
  const atMs =
    agoMs === undefined ? Date.parse(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00` : text) : nowMs - agoMs;
  if (!/^\d/.test(text) || Number.isNaN(atMs))
    throw usageError(`${option} takes how long ago (90s, 2h, 7d) or a time (2026-11-24T20:41Z), not "${text}"`);
  return new Date(atMs).toISOString();
}
