import type { ScanScoreJson } from '@muster/api-contract';
import { endpointLabel, type Endpoint } from '@muster/directory';
import type { EndpointScore } from '@muster/messages';
import { CHECK_OUTCOMES, type CheckOutcome } from '@muster/protocol';
import { given } from '../http/json-members.js';

type ByNum = (num: number) => Endpoint | undefined;
type Sum = Omit<EndpointScore, 'num'>;

/** The worst first, those without a verdict last. */
export function scoreByEndpoint(scores: readonly EndpointScore[], byNum: ByNum): ScanScoreJson[] {
  const all = scores.map((one) => {
    const endpoint = byNum(one.num);
    const host = endpoint?.facts.host ?? null;
    return { num: one.num, agentId: endpoint?.agentId ?? null, host, ...sumJson(one) };
  });
  return all.sort(worstFirst);
}

/** By the value that endpoints have now; `null` are those without the label, or that are not enrolled any more. */
export function scoreByLabel(scores: readonly EndpointScore[], byNum: ByNum, key: string): ScanScoreJson[] {
  const sums = new Map<string | null, { endpoints: number; sum: Sum }>();
  for (const one of scores) {
    const endpoint = byNum(one.num);
    const value = (endpoint && endpointLabel(endpoint)(key)) ?? null;
    const before = sums.get(value);
    sums.set(value, {
      endpoints: (before?.endpoints ?? 0) + 1,
      sum: before === undefined ? one : added(before.sum, one),
    });
  }
  return [...sums].map(([value, { endpoints, sum }]) => ({ value, endpoints, ...sumJson(sum) })).sort(worstFirst);
}

function added(a: Sum, b: Sum): Sum {
  const counts = CHECK_OUTCOMES.map((outcome) => [outcome, countOf(a, outcome) + countOf(b, outcome)] as const);
  return {
    ...{ passed: a.passed + b.passed, judged: a.judged + b.judged, excepted: a.excepted + b.excepted },
    counts: Object.fromEntries(counts),
  };
}

const countOf = ({ counts }: Sum, outcome: CheckOutcome): number => counts[outcome] ?? 0;

function sumJson(sum: Sum) {
  const { passed, judged, excepted } = sum;
  const counts = CHECK_OUTCOMES.map((outcome) => [outcome, countOf(sum, outcome)]);
  return {
    ...given('score', judged === 0 ? undefined : Math.round((10_000 * passed) / judged) / 100),
    ...(Object.fromEntries(counts) as Record<CheckOutcome, number>),
    excepted,
  };
}

const worstFirst = (a: ScanScoreJson, b: ScanScoreJson): number => (a.score ?? 101) - (b.score ?? 101);
