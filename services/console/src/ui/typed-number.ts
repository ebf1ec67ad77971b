/** From so many targets on, and for what destroys something from two on, their number is typed before anything is done. */
export const TYPED_FROM = 10;

/** How many something is done with, and whether it destroys something; undefined while nobody knows. */
export interface Reach {
  readonly count: number | undefined;
  readonly isDestructive: boolean | undefined;
}

/** The one rule for everything that reaches many at once: commands, approvals, undo, labels, channels. */
export function needsNumber({ count, isDestructive }: Reach): boolean {
  return count !== undefined && (count >= TYPED_FROM || (isDestructive === true && count > 1));
}

/** Whether it may be done: what is done and with how many is known, that is not zero, and it was typed where that is needed. */
export function isConfirmed(reach: Reach, typed: string): boolean {
  const { count, isDestructive } = reach;
  if (count === undefined || count === 0 || isDestructive === undefined) return false;
  return !needsNumber(reach) || typed.trim().replaceAll(',', '') === String(count);
}
