import type { Outcome } from './plan.js';

export const CANCELLED: Outcome = {
  state: 'cancelled',
  code: 'cancelled',
  message: 'it was cancelled before it started',
};
export const EXPIRED: Outcome = { state: 'expired', code: 'expired', message: 'it arrived after its expiry' };
export const TIMED_OUT: Outcome = { state: 'timed_out', code: 'timed_out', message: 'it ran longer than its timeout' };
export const INTERRUPTED: Outcome = { state: 'failed', code: 'interrupted', message: 'the agent ended while it ran' };
export const UNKNOWN_ACTION: Outcome = {
  state: 'unsupported',
  code: 'unknown_action',
  message: 'this agent has no such action',
};
/** Most outcomes are equal; agents share the objects. */
const DONE = new Map<string, Outcome>();

export function done(code: string, effects: readonly string[]): Outcome {
  const key = `${code} ${effects.join('\n')}`;
  const known = DONE.get(key);
  if (known !== undefined) return known;
  const outcome: Outcome = { state: 'succeeded', code, message: '', effects };
  if (DONE.size < 1_000) DONE.set(key, outcome);
  return outcome;
}
