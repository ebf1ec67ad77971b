import type { CommandFold, Rollout } from '@muster/records';

export type RolloutStep =
  | { readonly kind: 'wait' }
  /** Targets up to this number may be tried. */
  | { readonly kind: 'release'; readonly upTo: number }
  | { readonly kind: 'abort'; readonly message: string };

const WAIT: RolloutStep = { kind: 'wait' };

/**
 * What a rollout does next:
 *
 *     wave under way ──all settled or absent, and the pause is over──▶ next wave
 *            └────────────more failures than allowed──▶ abort
 *
 * `absent` counts targets that were sent and are not connected. Neither they nor targets that were never connected hold up
 * the rollout. `away` counts targets that ran for longer than they may and are not connected: they count as failures here,
 * although nobody knows yet how they ended.
 */
export function nextStep(
  fold: CommandFold,
  rollout: Rollout,
  { nowMs, absent, away }: { nowMs: number; absent: number; away: number },
): RolloutStep {
  const { sent, accepted, running, targeted } = fold.ledger;
  const [settled, failed] = [outcomes(fold).settled + away, outcomes(fold).failed + away];
  if (settled > 0 && failed / settled > rollout.abortOver) {
    return { kind: 'abort', message: `${failed} of ${settled} failed; no more than ${percent(rollout.abortOver)} may` };
  }
  if (fold.released >= targeted || sent + accepted + running - absent - away > 0) return WAIT;
  if (nowMs < fold.changedAtMs + rollout.pauseMs) return WAIT;
  return { kind: 'release', upTo: Math.min(targeted, fold.released + waveSize(fold, rollout)) };
}

/** How many targets may be under way at once. Until one of them has settled that is the canary. */
export function waveSize(fold: CommandFold, { canary, step }: Rollout): number {
  return outcomes(fold).settled === 0 ? canary : (stepOf(step, fold.nums.length) ?? 1);
}

/** Targets with an outcome; cancelled and expired ones have none. */
function outcomes({ ledger }: CommandFold): { readonly settled: number; readonly failed: number } {
  const failed = ledger.failed + ledger.timed_out + ledger.refused;
  return { failed, settled: failed + ledger.succeeded + ledger.unsupported };
}

function percent(share: number): string {
  return `${Math.round(share * 1_000) / 10}%`;
}

/** How many of `targets` a step is; `undefined` when it is neither a count from 1 nor a percentage up to 100%. */
export function stepOf(step: Rollout['step'], targets: number): number | undefined {
  if (typeof step === 'number') return isCount(step) ? step : undefined;
  const percentage = /^(\d{1,3}(?:\.\d{1,3})?)%$/.exec(step)?.[1];
  const share = Number(percentage) / 100;
  return share > 0 && share <= 1 ? Math.max(1, Math.ceil(share * targets)) : undefined;
}

/** A whole number from 1. */
export function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}
