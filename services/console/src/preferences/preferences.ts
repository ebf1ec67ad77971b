import { useSyncExternalStore } from 'react';

/** What a person has set in this browser. Nothing here is secret. */
export interface Preferences {
  readonly theme: 'system' | 'light' | 'dark';
  /** `local`, `UTC`, or an IANA name: for tables, charts and exports alike. */
  readonly timeZone: string;
  readonly notify: boolean;
}

const KEY = 'muster.preferences';
const DEFAULTS: Preferences = { theme: 'system', timeZone: 'local', notify: false };
const DARK = '(prefers-color-scheme: dark)';

let current = read();
const listeners = new Set<() => void>();

export function preferences(): Preferences {
  return current;
}

export function setPreferences(change: Partial<Preferences>): void {
  current = { ...current, ...change };
  localStorage.setItem(KEY, JSON.stringify(current));
  changed();
}

export function usePreferences(): Preferences {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, preferences);
}

/** Keeps the theme of the page as it is set here, in another tab or by the system. */
export function applyPreferences(): void {
  applyTheme();
  matchMedia(DARK).addEventListener('change', applyTheme);
  globalThis.addEventListener('storage', ({ key }) => {
    if (key !== KEY) return;
    current = read();
    changed();
  });
}

function changed(): void {
  applyTheme();
  for (const listener of listeners) listener();
}

function applyTheme(): void {
  const { theme } = current;
  const isDark = theme === 'dark' || (theme === 'system' && matchMedia(DARK).matches);
  document.documentElement.dataset['theme'] = isDark ? 'dark' : 'light';
}

function read(): Preferences {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Preferences>;
    const timeZone = kept.timeZone ?? DEFAULTS.timeZone;
    return { ...DEFAULTS, ...kept, timeZone: isTimeZone(timeZone) ? timeZone : DEFAULTS.timeZone };
  } catch {
    return DEFAULTS;
  }
}

function isTimeZone(name: string): boolean {
  try {
    if (name !== 'local') new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions();
    return true;
  } catch {
    return false;
  }
}
