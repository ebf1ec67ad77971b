import type { CheckCounts, ScanRecord } from '@muster/records';

/** How many endpoints fail without an exception. */
export function openFailures({ fail, excepted = 0 }: Pick<CheckCounts, 'fail' | 'excepted'>): number {
  return fail - excepted;
}

/**
 * What changed between two scans of one scope, by the id of the check: it fails somewhere now and failed nowhere, fails
 * nowhere any more, or somewhere then and now. One that failed and fails spreads when more endpoints fail than can have
 * come only to be scanned. What is excepted does not fail here, and is not mended. Absence proves nothing: a check
 * without a verdict before (new in the pack, only `error`) does not begin to fail, and where fewer endpoints say that
 * they are fine than had a verdict before, one that failed may only be away.
 */
export function changesSince(
  previous: readonly CheckCounts[],
  now: readonly CheckCounts[],
): NonNullable<ScanRecord['changes']> {
  const earlier = new Map(previous.map((check) => [check.id, check]));
  const [fails, mended, still, spreads]: [string[], string[], string[], string[]] = [[], [], [], []];
  for (const check of now) {
    const { id, fail, pass, not_applicable: outside } = check;
    const before = earlier.get(id);
    if (before === undefined) continue;
    const failed = openFailures(before);
    const judged = before.pass + before.fail;
    if (openFailures(check) > 0) {
      if (failed > 0) {
        still.push(id);
        const came = Math.max(0, pass + fail - judged);
        if (openFailures(check) - failed > came) spreads.push(id);
      } else if (judged > 0) fails.push(id);
    } else if (failed > 0 && fail === 0 && pass + outside >= judged + before.not_applicable) mended.push(id);
  }
  return { fails, mended, still, spreads };
}
