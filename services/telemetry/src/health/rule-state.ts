import { HEALTH_STATES } from '@muster/records';
import type { HealthRule } from './health-policy.js';

/** Index in `HEALTH_STATES`. */
export type Level = 0 | 1 | 2;

/** Where one rule is for one endpoint. */
export interface RuleState {
  /** In force. */
  level: Level;
  /** What the value says, and since when (seconds on any clock), while that is another level. */
  wanted: Level;
  wantedSince: number;
  /** When the last known value was measured, on the same clock. */
  seen: number;
}

/** When a sample was measured, and how far the one before may be from it. */
export interface RuleMoment {
  readonly atSeconds: number;
  readonly maxGapSeconds: number;
}

/**
 * One step of a rule. A level is reached when the value was at its threshold or above for the rule's duration, and left
 * when it was below the threshold, less the hysteresis, for as long. The clock counts in both directions. An unknown
 * value changes nothing. Time in which nothing was known does not count: the duration begins again after it.
 *
 *     ok ⇄ warning ⇄ critical, and directly
 */
export function stepRule(rule: HealthRule, state: RuleState, value: number, moment: RuleMoment): void {
  if (Number.isNaN(value)) return;
  const { atSeconds, maxGapSeconds } = moment;
  const wanted = levelOf(rule, Math.abs(value), state.level);
  const isSameWay = Math.sign(wanted - state.level) === Math.sign(state.wanted - state.level);
  const isApart = atSeconds - state.seen > maxGapSeconds;
  if (wanted !== state.level && (!isSameWay || isApart)) state.wantedSince = atSeconds;
  state.wanted = wanted;
  state.seen = Math.max(state.seen, atSeconds);
  if (wanted !== state.level && atSeconds - state.wantedSince >= rule.for / 1_000) state.level = wanted;
}

function levelOf({ warning, critical, hysteresis }: HealthRule, value: number, level: Level): Level {
  const reaches = (threshold: number | undefined, itsLevel: Level): boolean =>
    threshold !== undefined && value >= (level >= itsLevel ? threshold - hysteresis : threshold);
  if (reaches(critical, 2)) return 2;
  return reaches(warning, 1) ? 1 : 0;
}

export function levelNamed(state: string | undefined): Level {
  return Math.max(0, HEALTH_STATES.indexOf(state as (typeof HEALTH_STATES)[number])) as Level;
}

/** From which value on a rule has a level. */
export function thresholdOf({ warning, critical }: HealthRule, level: Level): number | undefined {
  return level === 2 ? critical : level === 1 ? warning : undefined;
}
