import type { ActionDefinition } from '@muster/actions';
import type { Binding, Params } from '@muster/protocol';
import type { Machine } from '../machine/machine.js';
import { MachineChanges } from '../machine/machine-changes.js';
import type { Row } from '../machine/simulated-table.js';

/** How an action ended on an endpoint. */
export interface Outcome {
  readonly state: 'succeeded' | 'failed' | 'refused' | 'unsupported' | 'cancelled' | 'timed_out' | 'expired';
  readonly code: string;
  readonly message: string;
  readonly effects?: readonly string[];
}

/** What an action would do: end at once with this outcome, or these effects. */
export type Plan =
  | { readonly kind: 'end'; readonly outcome: Outcome }
  /** `apply` returns the function that undoes it, where it can be undone. */
  | { readonly kind: 'do'; readonly effects: readonly string[]; readonly apply: () => Undo | undefined };

export type Undo = () => void;

export interface ActionRequest {
  readonly action: ActionDefinition;
  readonly params: Params;
  readonly binding: Binding | null;
}

export function changesOf(machine: Machine): MachineChanges {
  return (machine.changes ??= new MachineChanges());
}

/** Removes the rows that match from a table. */
export function hide(machine: Machine, table: string, name: string, matches: (row: Row) => boolean): Undo {
  return changesOf(machine).set(table, name, (row) => (matches(row) ? undefined : row));
}

export function doing(effects: readonly string[], apply: () => Undo | undefined): Plan {
  return { kind: 'do', effects, apply };
}

export function ending(state: Outcome['state'], code: string, message: string): Plan {
  return { kind: 'end', outcome: { state, code, message } };
}

export function unchanged(message: string): Plan {
  return ending('succeeded', 'unchanged', message);
}

/** A parameter, or the column of the bound row in its place. */
export function named({ params, binding }: ActionRequest, ...keys: readonly string[]): string | number | undefined {
  for (const key of keys) {
    const value = binding?.[key] ?? params[key];
    if (typeof value === 'string' || typeof value === 'number') return value;
  }
  return undefined;
}

/** Whether the row is still the one that the binding names: equal in every column that it has of the binding. */
export function isStill(row: Row, binding: Binding | null): boolean {
  return Object.entries(binding ?? {}).every(
    ([column, value]) => !(column in row) || String(row[column]) === String(value),
  );
}

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
