import type { EndpointOutcome, EndpointScore, ScanFinding } from '@muster/messages';
import { CHECK_OUTCOMES, type CheckOutcome } from '@muster/protocol';
import type { ExceptionRecord } from '@muster/records';
import type { ExceptionMatcher } from '../decisions/exception-matcher.js';
import type { FoldedGroup } from './fold-scan.js';
import type { ReadScan } from './scan-reader.js';
import { weightOf } from './score.js';

/**
 * Who of a group that fails is excepted, by exception. Where only some of its endpoints are known, an exception for
 * some of them counts for nobody.
 */
function exceptedOf(check: string, group: FoldedGroup, exceptions: ExceptionMatcher): Map<ExceptionRecord, number> {
  const found = new Map<ExceptionRecord, number>();
  if (group.outcome !== 'fail') return found;
  const whole = exceptions.ofAll(check);
  if (whole !== undefined) return found.set(whole, group.endpoints);
  for (const num of group.nums ?? []) {
    const exception = exceptions.of(check, num);
    if (exception !== undefined) found.set(exception, (found.get(exception) ?? 0) + 1);
  }
  return found;
}

/** How many endpoints are excepted in each check, by its index. */
export function exceptedCounts({ fold, pack, exceptions, query }: ReadScan): number[] {
  const counts = Array<number>(query.pack.checks).fill(0);
  for (const group of fold.groups()) {
    const check = pack?.checks[group.check]?.id;
    if (check === undefined) continue;
    for (const endpoints of exceptedOf(check, group, exceptions).values())
      counts[group.check] = (counts[group.check] ?? 0) + endpoints;
  }
  return counts;
}

/** Those that concern most endpoints first. Without a check what fails, with one everything of it that does not pass. */
export function findingsOf({ fold, pack, exceptions }: ReadScan, wanted: string | undefined): ScanFinding[] {
  const found: ScanFinding[] = [];
  for (const group of fold.groups()) {
    const { outcome, reason, evidence, endpoints, sample } = group;
    const check = pack?.checks[group.check]?.id;
    if (check === undefined || (wanted === undefined ? outcome !== 'fail' : check !== wanted || outcome === 'pass'))
      continue;
    const excepted = exceptedOf(check, group, exceptions);
    found.push({
      ...{ check, outcome, reason, evidence, endpoints, sample },
      exceptions: [...excepted].map(([{ id, owner, reason: why, untilMs }, count]) => ({
        ...{ id, owner, reason: why, untilMs, endpoints: count },
      })),
    });
  }
  return found.sort(
    (a, b) => b.endpoints - a.endpoints || compare(a.check, b.check) || compare(a.evidence, b.evidence),
  );
}

const compare = (a: string | null, b: string | null): number => (a === b ? 0 : (a ?? '') < (b ?? '') ? -1 : 1);

/** Which outcomes are wanted: of one check, of one endpoint, or of one check on one endpoint. */
interface WantedOutcomes {
  readonly check?: string | undefined;
  readonly num?: number | undefined;
  readonly outcome?: CheckOutcome | undefined;
}

/** The outcomes of which it is known whose they are, by number of the endpoint. `isWhole`: none is left out. */
export function endpointsOf(
  { fold, pack, exceptions }: ReadScan,
  wanted: WantedOutcomes,
): { readonly endpoints: EndpointOutcome[]; readonly isWhole: boolean } {
  const endpoints: EndpointOutcome[] = [];
  // Without the version that ran nothing is known of any check.
  let isWhole = pack !== undefined;
  for (const group of fold.groups()) {
    const check = pack?.checks[group.check]?.id;
    if (check === undefined || (wanted.check !== undefined && check !== wanted.check)) continue;
    if (wanted.outcome !== undefined && group.outcome !== wanted.outcome) continue;
    isWhole &&= group.nums !== undefined;
    for (const num of group.nums ?? group.sample) {
      if (wanted.num !== undefined && num !== wanted.num) continue;
      const exception = group.outcome === 'fail' ? exceptions.of(check, num)?.id : undefined;
      const { reason, evidence } = group;
      endpoints.push({
        num,
        check,
        outcome: group.outcome,
        reason,
        evidence,
        ...(exception === undefined ? {} : { exception }),
      });
    }
  }
  return { endpoints: endpoints.sort((a, b) => a.num - b.num), isWhole };
}

/** What each endpoint counts in the score, by number. `isWhole`: every outcome of every endpoint is known. */
export function scoresOf({ fold, pack, exceptions }: ReadScan): {
  readonly scores: EndpointScore[];
  readonly isWhole: boolean;
} {
  const found = new Map<
    number,
    { passed: number; judged: number; counts: Record<CheckOutcome, number>; excepted: number }
  >();
  let isWhole = pack !== undefined;
  for (const { check: index, outcome, nums } of fold.groups()) {
    const check = pack?.checks[index];
    isWhole &&= nums !== undefined;
    if (check === undefined || nums === undefined) continue;
    const weight = weightOf(check.severity);
    for (const num of nums) {
      let of = found.get(num);
      if (of === undefined) {
        const counts = Object.fromEntries(CHECK_OUTCOMES.map((one) => [one, 0])) as Record<CheckOutcome, number>;
        found.set(num, (of = { passed: 0, judged: 0, counts, excepted: 0 }));
      }
      of.counts[outcome] += 1;
      const isExcepted = outcome === 'fail' && exceptions.of(check.id, num) !== undefined;
      if (isExcepted) of.excepted += 1;
      if (outcome === 'pass') of.passed += weight;
      if (outcome === 'pass' || (outcome === 'fail' && !isExcepted)) of.judged += weight;
    }
  }
  const scores = [...found].map(([num, of]) => ({ num, ...of })).sort((a, b) => a.num - b.num);
  return { scores, isWhole };
}
