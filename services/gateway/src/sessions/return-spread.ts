const MIN_MS = 1_000;
/** A larger gateway returns faster than its neighbours may like, and still within seconds. */
const MAX_MS = 10_000;
/** So many others share what comes back, on average. Where there are fewer, they refuse what is over their rate, with Retry-After. */
const OTHERS = 2.5;

/**
 * Within which time the sessions of this gateway come back when it is lost, so that the others together take them all at the rate that each
 * admits: 3 s for 15,000. A gateway that was killed can say nothing any more, so each agent is told beforehand, in WELCOME.
 */
export function returnSpread(sessions: number, upgradesPerSecond: number): number {
  return Math.min(MAX_MS, Math.max(MIN_MS, Math.round((sessions / (OTHERS * upgradesPerSecond)) * 1_000)));
}
