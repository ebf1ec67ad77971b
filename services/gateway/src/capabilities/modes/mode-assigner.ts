import type { ModeOverride } from '@muster/directory';
import { CAPABILITY, encodeBody, encodeFrame, FRAME, type ModeBody } from '@muster/protocol';
import { BatchScheduler } from '../../foundation/batch-scheduler.js';
import type { CapabilityContext } from '../../foundation/capability.js';
import type { OperatorOverrides } from '../../foundation/operator-overrides.js';
import type { SessionView } from '../../foundation/session-view.js';
import { ChangeSpread } from './change-spread.js';
import { desiredMode, inForce, isSameMode, modeBody, type DesiredMode } from './desired-mode.js';
import type { ModeMetrics } from './mode-metrics.js';
import type { ModePolicy, PolicyAnswer } from './mode-policy.js';

export interface ModeAssignerOptions extends Pick<CapabilityContext, 'clock'> {
  readonly hub: Pick<CapabilityContext['hub'], 'sessions'>;
  readonly overrides: Pick<OperatorOverrides, 'modeOf'>;
  readonly policy: { readonly value: ModePolicy };
  readonly metrics: ModeMetrics;
}

const EVERY_MS = 20;
/** Frames in one turn of the event loop. */
const BATCH = 1_000;

/**
 * Assigns channels to agents: in WELCOME, and by MODE when an override, the policy or a label changes the desired one. Decisions come one
 * by one and concern thousands of agents, so those that may be concerned are gathered first. They are then assigned as fast as this gateway
 * can open their next sessions.
 *
 *     override, policy, label ──▶ to review ──desired differs from assigned──▶ to assign ──batch──▶ MODE
 */
export class ModeAssigner {
  readonly #options: ModeAssignerOptions;
  readonly #spread: ChangeSpread;
  readonly #scheduler: BatchScheduler;
  /** The assigned modes. Agents that did not say that they can change their channel are not in it. */
  readonly #assigned = new Map<SessionView, DesiredMode>();
  /** What an override and the policy's answer make together; thousands of sessions share one. */
  readonly #combined = new WeakMap<ModeOverride, WeakMap<PolicyAnswer, DesiredMode>>();
  readonly #toReview = new Set<SessionView>();
  readonly #toAssign = new Set<SessionView>();

  constructor(options: ModeAssignerOptions) {
    this.#options = options;
    this.#spread = new ChangeSpread(options);
    this.#scheduler = new BatchScheduler({ clock: options.clock, everyMs: EVERY_MS, run: () => this.#run() });
  }

  stop(): void {
    this.#scheduler.cancel();
  }

  /** The assignment for WELCOME; none for agents that did not say that they can change. */
  welcome(session: SessionView): ModeBody | undefined {
    if (session.profile?.capabilities.has(CAPABILITY.mode) !== true) return undefined;
    const desired = this.#desired(session);
    this.#remember(session, desired);
    if (desired.mode !== session.mode) this.#spread.expect(1);
    return modeBody(desired, { nowMs: this.#options.clock.now(), spreadMs: this.#spread.spreadMs });
  }

  closed(session: SessionView): void {
    this.#assigned.delete(session);
  }

  /** Something has changed that may change the desired mode of this session. */
  review(session: SessionView): void {
    if (!this.#assigned.has(session)) return;
    this.#toReview.add(session);
    this.#scheduler.due();
  }

  reviewAll(): void {
    for (const session of this.#options.hub.sessions()) this.review(session);
  }

  #run(): void {
    for (const session of this.#toReview) {
      const change = this.#changeOf(session);
      if (change === undefined || this.#toAssign.has(session)) continue;
      this.#toAssign.add(session);
      if (change.isMove) this.#spread.expect(1);
    }
    this.#toReview.clear();
    this.#assignSome();
    if (this.#toAssign.size > 0) this.#scheduler.due();
  }

  #assignSome(): void {
    const { clock, metrics } = this.#options;
    const at = { nowMs: clock.now(), spreadMs: this.#spread.spreadMs };
    const frames = new Map<DesiredMode, Uint8Array>();
    let room = BATCH;
    for (const session of this.#toAssign) {
      if ((room -= 1) < 0) return;
      this.#toAssign.delete(session);
      // It may have changed once more, or back.
      const change = this.#changeOf(session);
      if (change === undefined) continue;
      const { desired } = change;
      const frame = frames.get(desired) ?? encodeFrame(FRAME.mode, 0, encodeBody('mode', modeBody(desired, at)));
      frames.set(desired, frame);
      if (session.send(frame) !== 'sent') continue;
      this.#remember(session, desired);
      metrics.assignments.inc({ mode: desired.mode });
    }
  }

  #remember(session: SessionView, assigned: DesiredMode): void {
    this.#assigned.set(session, assigned);
    session.connection.expectPolls?.(assigned);
  }

  /** The mode that a session must be assigned, if any; `isMove` when its agent must open another session for it. */
  #changeOf(session: SessionView): { readonly desired: DesiredMode; readonly isMove: boolean } | undefined {
    const assigned = this.#assigned.get(session);
    if (session.state !== 'ready' || assigned === undefined) return undefined;
    const current = inForce(assigned, this.#options.clock.now());
    const desired = this.#desired(session);
    return isSameMode(current, desired)
      ? undefined
      : { desired, isMove: desired.mode !== current.mode && desired.mode !== session.mode };
  }

  #desired(session: SessionView): DesiredMode {
    const { overrides, policy, clock } = this.#options;
    const answer = policy.value.answerFor(session);
    const override = overrides.modeOf(session.org, session.agentId, clock.now());
    if (override === undefined) return answer;
    const combined = this.#combined.get(override) ?? new WeakMap<PolicyAnswer, DesiredMode>();
    this.#combined.set(override, combined);
    const desired = combined.get(answer) ?? desiredMode(override, answer);
    combined.set(answer, desired);
    return desired;
  }
}
