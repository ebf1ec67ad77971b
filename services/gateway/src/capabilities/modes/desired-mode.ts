import type { ModeOverride } from '@muster/directory';
import { LIMITS, type ModeBody } from '@muster/protocol';
import type { ModeSetting, PolicyAnswer } from './mode-policy.js';

/** Which channel an agent should use, and why. Once it was sent to the agent, it is the assigned mode. */
export interface DesiredMode extends ModeSetting {
  readonly reason: string;
  /** From `untilMs` (wall clock) on, `next` counts. */
  readonly lease?: { readonly untilMs: number; readonly next: ModeSetting };
}

/** An operator's override wins over the policy. The policy decides what the override leaves open, and what follows its lease. */
export function desiredMode(override: ModeOverride | undefined, policy: PolicyAnswer): DesiredMode {
  if (override === undefined) return policy;
  const { mode, untilMs, reason } = override;
  const next = { mode: policy.mode, intervalMs: policy.intervalMs };
  return {
    mode,
    intervalMs: boundedInterval(override.intervalMs ?? policy.intervalMs),
    reason: reason.slice(0, LIMITS.reasonBytes),
    ...(untilMs === undefined ? {} : { lease: { untilMs, next } }),
  };
}

/** What an agent with this assigned mode does now: it goes on by itself when its lease is over. */
export function inForce(assigned: DesiredMode, nowMs: number): ModeSetting & Pick<DesiredMode, 'lease'> {
  return assigned.lease !== undefined && assigned.lease.untilMs <= nowMs ? assigned.lease.next : assigned;
}

/** Whether two of them make an agent do the same; the reason is for people. */
export function isSameMode(one: Omit<DesiredMode, 'reason'>, other: Omit<DesiredMode, 'reason'>): boolean {
  if (one === other) return true;
  return (
    isSameSetting(one, other) &&
    one.lease?.untilMs === other.lease?.untilMs &&
    (one.lease === undefined || other.lease === undefined || isSameSetting(one.lease.next, other.lease.next))
  );
}

/** A desired mode as the wire has it: a lease by how long it still lasts. */
export function modeBody(desired: DesiredMode, { nowMs, spreadMs }: { nowMs: number; spreadMs: number }): ModeBody {
  const { mode, intervalMs, reason, lease } = desired;
  return {
    ...{ mode, intervalMs, reason, spreadMs },
    ...(lease === undefined ? {} : { lease: { forMs: Math.max(0, lease.untilMs - nowMs), next: lease.next } }),
  };
}

function isSameSetting(one: ModeSetting, other: ModeSetting): boolean {
  return one.mode === other.mode && one.intervalMs === other.intervalMs;
}

function boundedInterval(ms: number): number {
  return Math.min(LIMITS.pollIntervalMaxMs, Math.max(LIMITS.pollIntervalMinMs, Math.round(ms)));
}
