import type { Env } from '@muster/runtime/program';

// What the system's own programs need to be found and to start; by name, so that nobody's secret slips through.
const PASSED_ON = [
  'PATH',
  'LANG',
  'TZ',
  'TMPDIR',
  'SYSTEMROOT',
  'WINDIR',
  'COMSPEC',
  'PATHEXT',
  'TEMP',
  'PROGRAMDATA',
  'PROGRAMFILES',
];

/** The part of our environment that query workers get. */
export function workerEnvironment(env: Env): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    // Windows spells these names in mixed case.
    if (value !== undefined && PASSED_ON.includes(name.toUpperCase())) passed[name] = value;
  }
  return passed;
}
