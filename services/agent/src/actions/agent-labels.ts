import { labelFaults, type Labels } from '@muster/protocol';
import type { ActionCall, ActionImplementation, ActionResult, JsonValue } from './contract/action.js';
import { counted, refused, succeeded, unchanged, wouldDo } from './contract/results.js';

/** `agent.set_labels` on every platform: sets and removes the agent's own labels. */
export const setLabels: ActionImplementation = {
  run: (call) => {
    const { set = {}, remove = [] } = call.params as { set?: Labels; remove?: readonly string[] };
    return change(call, new Map(Object.entries(set)), remove);
  },
  /** Restores only labels that this command changed and that still have the value it set. */
  undo: (call, kept) => {
    const entries = Object.entries(call.host.labels.read());
    const own = readKept(kept).filter(({ key, to }) => to === new Map(entries).get(key));
    const set = own.flatMap(({ key, from }) => (from === undefined ? [] : [[key, from] as const]));
    const remove = own.flatMap(({ key, from }) => (from === undefined ? [key] : []));
    return change(call, new Map(set), remove);
  },
};

/** One label before and after. A missing value means that the label does not exist. */
interface Change {
  readonly key: string;
  readonly from?: string;
  readonly to?: string;
}

async function change(
  call: ActionCall,
  set: ReadonlyMap<string, string>,
  remove: readonly string[],
): Promise<ActionResult> {
  const { labels } = call.host;
  const before = new Map(Object.entries(labels.read()));
  const after = new Map(before);
  for (const key of remove) after.delete(key);
  for (const [key, value] of set) after.set(key, value);
  const next = Object.fromEntries(after);
  const [fault] = labelFaults(next);
  if (fault !== undefined) return refused('bad_params', fault);
  const changes = changesOf(before, after);
  if (changes.length === 0) return unchanged('the labels are so already');
  const count = counted(changes.length, 'label');
  if (call.dryRun)
    return wouldDo(
      `${count} would change`,
      changes.map((one) => line(one, ['set', 'remove'])),
    );
  await call.keepUndo(changes.map((one) => ({ ...one })));
  labels.write(next);
  return succeeded(
    `${count} changed`,
    changes.map((one) => line(one, ['set', 'removed'])),
  );
}

function changesOf(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>): Change[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((key) => before.get(key) !== after.get(key))
    .map((key) => {
      const [from, to] = [before.get(key), after.get(key)];
      return { key, ...(from !== undefined && { from }), ...(to !== undefined && { to }) };
    });
}

function line({ key, to }: Change, [set, remove]: readonly [string, string]): string {
  return to === undefined ? `${remove} ${key}` : `${set} ${key}=${to}`;
}

function readKept(kept: JsonValue): readonly Change[] {
  return Array.isArray(kept) ? (kept as readonly Change[]) : [];
}
