import type { Check, Pack } from './pack-schema.js';

export interface CheckChange {
  readonly id: string;
  /** Keys of the check that differ, sorted. */
  readonly keys: readonly string[];
}

export interface PackDiff {
  /** Keys of the pack itself that differ, such as `version`. */
  readonly pack: readonly string[];
  readonly added: readonly string[];
  readonly removed: readonly string[];
  readonly changed: readonly CheckChange[];
  /** What is checked differs, and not only how it is described: outcomes before and after cannot be compared. */
  readonly judgesOtherwise: boolean;
}

/** Keys that decide outcomes. */
const JUDGING: readonly string[] = ['sql', 'row_means', 'applies_if', 'platforms', 'not_applicable'];

/** What differs between two packs. Checks are compared by id, so that their sequence does not count. */
export function diffPacks(before: Pack, after: Pack): PackDiff {
  const old = byId(before);
  const current = byId(after);
  const added = after.checks.filter(({ id }) => !old.has(id)).map(({ id }) => id);
  const removed = before.checks.filter(({ id }) => !current.has(id)).map(({ id }) => id);
  const changed = after.checks.flatMap((check) => {
    const earlier = old.get(check.id);
    const keys = earlier === undefined ? [] : differing(earlier, check);
    return keys.length === 0 ? [] : [{ id: check.id, keys }];
  });
  return {
    pack: differing({ ...before, checks: [] }, { ...after, checks: [] }),
    added,
    removed,
    changed,
    judgesOtherwise:
      added.length + removed.length > 0 || changed.some(({ keys }) => keys.some((key) => JUDGING.includes(key))),
  };
}

function byId(pack: Pack): ReadonlyMap<string, Check> {
  return new Map(pack.checks.map((check) => [check.id, check]));
}

function differing(before: object, after: object): string[] {
  const [left, right] = [new Map(Object.entries(before)), new Map(Object.entries(after))];
  const keys = [...new Set([...left.keys(), ...right.keys()])].sort();
  return keys.filter((key) => canonical(left.get(key)) !== canonical(right.get(key)));
}

/** Equal for equal values, whatever the sequence of keys. */
function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) =>
      typeof inner === 'object' && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).toSorted(([one], [other]) => (one < other ? -1 : 1)))
        : inner,
    ) ?? ''
  );
}
