import type { Env } from '@muster/runtime/program';

// What the system's programs need to start. A list of names, so that no secret is passed on.
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

/** The part of the agent's environment that query workers get. */
export function workerEnvironment(env: Env): Record<string, string> {
  const passed: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    // Windows spells these names in mixed case.
    if (value !== undefined && PASSED_ON.includes(name.toUpperCase())) passed[name] = value;
  }
  return passed;
}
