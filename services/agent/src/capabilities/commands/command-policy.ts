import type { ActionDefinition } from '@muster/actions';

/**
 * What this endpoint allows, whatever was signed. Entries: the name of an action, `family.*`, `destructive`, `all`,
 * `none`.
 */
export interface CommandPolicy {
  /** `MUSTER_AGENT_ACTIONS` */
  readonly actions: readonly string[];
  /** `MUSTER_AGENT_REQUIRE_APPROVAL` */
  readonly requireApproval: readonly string[];
}

/** Whether this endpoint takes commands at all. */
export function takesCommands({ actions }: CommandPolicy): boolean {
  return !actions.includes('none');
}

/** Whether any of these actions may run. An undo passes two: itself and the action that it undoes. */
export function isAllowed(policy: CommandPolicy, ...actions: readonly ActionDefinition[]): boolean {
  return takesCommands(policy) && actions.some((action) => matches(policy.actions, action));
}

/** Whether any of these actions needs the approval of a second person. */
export function needsApproval(policy: CommandPolicy, ...actions: readonly ActionDefinition[]): boolean {
  return actions.some((action) => matches(policy.requireApproval, action));
}

/** What is wrong with an entry of such a list, given the names of all actions; `undefined` when nothing is. */
export function entryFault(entry: string, names: readonly string[]): string | undefined {
  if (['all', 'none', 'destructive'].includes(entry) || names.includes(entry)) return undefined;
  const family = entry.endsWith('.*') ? entry.slice(0, -1) : undefined;
  if (family !== undefined && names.some((name) => name.startsWith(family))) return undefined;
  return `names "${entry}", which is no action`;
}

function matches(entries: readonly string[], { name, destructive }: ActionDefinition): boolean {
  return entries.some(
    (entry) =>
      entry === 'all' ||
      entry === name ||
      (entry === 'destructive' && destructive) ||
      (entry.endsWith('.*') && name.startsWith(entry.slice(0, -1))),
  );
}
