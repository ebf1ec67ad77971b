import { LIMITS } from '@muster/protocol';

/** `14d` on one clock is a moment more than 14 days on another. */
export const HUNT_SLACK_MS = 300_000;

/**
 * How long a hunt may wait, so that what it found first is still kept when it has been over for `afterMs`: the stream
 * drops each entry at the age of `keptMs`. A scan that waits is a hunt too.
 */
export function longestHuntMs(keptMs: number, afterMs: number): number {
  return Math.max(0, Math.min(LIMITS.huntMaxMs, keptMs - afterMs));
}
