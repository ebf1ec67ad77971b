import { preferences, usePreferences } from './preferences.js';

/** How the times of a page are written: `2026-11-30 11:02:03`, in the zone that is set. */
export interface TimeFormat {
  readonly zone: string;
  readonly full: (at: string | number) => string;
  readonly clock: (at: string | number) => string;
}

const formats = new Map<string, TimeFormat>();

export function timeFormat(timeZone = preferences().timeZone): TimeFormat {
  const known = formats.get(timeZone);
  if (known !== undefined) return known;
  const zone = timeZone === 'local' ? {} : { timeZone };
  const day = { year: 'numeric', month: '2-digit', day: '2-digit' } as const;
  const time = { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' } as const;
  // Swedish writes dates as ISO 8601 does.
  const full = new Intl.DateTimeFormat('sv-SE', { ...zone, ...day, ...time });
  const clock = new Intl.DateTimeFormat('sv-SE', { ...zone, ...time });
  const made: TimeFormat = {
    zone: timeZone === 'local' ? full.resolvedOptions().timeZone : timeZone,
    full: (at) => safely(full, at),
    clock: (at) => safely(clock, at),
  };
  formats.set(timeZone, made);
  return made;
}

export function useTime(): TimeFormat {
  return timeFormat(usePreferences().timeZone);
}

function safely(format: Intl.DateTimeFormat, at: string | number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? String(at) : format.format(date);
}
