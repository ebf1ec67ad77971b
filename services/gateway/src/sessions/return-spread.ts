const MIN_MS = 1_000;
/** A larger gateway returns faster than its neighbours may like, and still within seconds. */
const MAX_MS = 10_000;

/**
 * Within which time the sessions of this gateway come back when it is lost, so that another one takes them all at the rate that it admits.
 * A gateway that was killed can say nothing any more, so each agent is told beforehand, in WELCOME.
 */
export function returnSpread(sessions: number, upgradesPerSecond: number): number {
  return Math.min(MAX_MS, Math.max(MIN_MS, Math.round((sessions / upgradesPerSecond) * 1_000)));
}
