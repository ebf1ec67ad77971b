import type { ModeOverride } from '@muster/directory';
import { LIMITS, type ModeBody } from '@muster/protocol';
import type { Session } from '../../sessions/hub/session.js';
import type { ModeSetting, PolicyAnswer } from './mode-policy.js';

/** Which channel an agent is to use, and why. */
export interface DesiredMode extends ModeSetting {
  readonly reason: string;
  /** From `untilMs` (wall clock) on, `next` counts. */
  readonly lease?: { readonly untilMs: number; readonly next: ModeSetting };
}

/** An operator's order wins over the policy, which has its say in what the order leaves open and in what follows its lease. */
export function desiredMode(order: ModeOverride | undefined, policy: PolicyAnswer): DesiredMode {
  if (order === undefined) return policy;
  const { mode, untilMs, reason } = order;
  const next = { mode: policy.mode, intervalMs: policy.intervalMs };
  return {
    mode,
    intervalMs: boundedInterval(order.intervalMs ?? policy.intervalMs),
    reason: reason.slice(0, LIMITS.reasonBytes),
    ...(untilMs === undefined ? {} : { lease: { untilMs, next } }),
  };
}

/** What an agent that was told this does by now: it goes on by itself when its lease is over. */
export function doneByNow(told: DesiredMode, nowMs: number): ModeSetting & Pick<DesiredMode, 'lease'> {
  return told.lease !== undefined && told.lease.untilMs <= nowMs ? told.lease.next : told;
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

/** What is said of it on the wire: a lease by how long it still has. */
export function modeBody(wanted: DesiredMode, { nowMs, spreadMs }: { nowMs: number; spreadMs: number }): ModeBody {
  const { mode, intervalMs, reason, lease } = wanted;
  return {
    ...{ mode, intervalMs, reason, spreadMs },
    ...(lease === undefined ? {} : { lease: { forMs: Math.max(0, lease.untilMs - nowMs), next: lease.next } }),
  };
}

/** How long the agent of this session may wait between two polls, by what it was told. */
export function toldIntervalMs({ told }: Pick<Session, 'told'>, nowMs: number): number {
  return told === undefined ? LIMITS.pollIntervalMs : doneByNow(told, nowMs).intervalMs;
}

function isSameSetting(one: ModeSetting, other: ModeSetting): boolean {
  return one.mode === other.mode && one.intervalMs === other.intervalMs;
}

function boundedInterval(ms: number): number {
  return Math.min(LIMITS.pollIntervalMaxMs, Math.max(LIMITS.pollIntervalMinMs, Math.round(ms)));
}
