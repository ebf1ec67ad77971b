import type { CommandFold, Rollout } from '@muster/records';
import { stepOf } from '../requests/check-request.js';

export type RolloutStep =
  | { readonly kind: 'wait' }
  /** Targets up to this number may be tried. */
  | { readonly kind: 'release'; readonly upTo: number }
  | { readonly kind: 'abort'; readonly message: string };

const WAIT: RolloutStep = { kind: 'wait' };

/**
 * What a rollout does next:
 *
 *     wave under way ──all of it settled or absent, and the pause over──▶ next wave
 *            └────────────more failed than may──▶ abort
 *
 * `absent` counts targets that were sent to and are not connected: they, and those that were never connected, hold nothing up.
 */
export function nextStep(
  fold: CommandFold,
  rollout: Rollout,
  { nowMs, absent }: { nowMs: number; absent: number },
): RolloutStep {
  const { sent, accepted, running, targeted } = fold.ledger;
  const { settled, failed } = outcomes(fold);
  if (settled > 0 && failed / settled > rollout.abortOver) {
    return { kind: 'abort', message: `${failed} of ${settled} failed; no more than ${percent(rollout.abortOver)} may` };
  }
  if (fold.released >= targeted || sent + accepted + running - absent > 0) return WAIT;
  if (nowMs < fold.changedAtMs + rollout.pauseMs) return WAIT;
  return { kind: 'release', upTo: Math.min(targeted, fold.released + waveSize(fold, rollout)) };
}

/** How many targets may be under way at once. Until one has settled nothing is known, so a wave is no larger than the canary. */
export function waveSize(fold: CommandFold, { canary, step }: Rollout): number {
  return outcomes(fold).settled === 0 ? canary : (stepOf(step, fold.nums.length) ?? 1);
}

/** Targets that said something of how it went: those that were cancelled or expired did not. */
function outcomes({ ledger }: CommandFold): { readonly settled: number; readonly failed: number } {
  const failed = ledger.failed + ledger.timed_out + ledger.refused;
  return { failed, settled: failed + ledger.succeeded + ledger.unsupported };
}

function percent(share: number): string {
  return `${Math.round(share * 1_000) / 10}%`;
}
