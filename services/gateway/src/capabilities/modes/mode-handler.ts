import type { ModeOverride } from '@muster/directory';
import { encodeBody, encodeFrame, FRAME, type AgentId, type ModeBody, type OrgId } from '@muster/protocol';
import type { Clock } from '@muster/runtime';
import type { OrderListener, OperatorOverrides } from '../../foundation/operator-overrides.js';
import { BatchScheduler } from '../../foundation/batch-scheduler.js';
import type { Hub } from '../../sessions/hub/hub.js';
import type { Session } from '../../sessions/hub/session.js';
import { ChangeSpread } from './change-spread.js';
import type { ModeMetrics } from './mode-metrics.js';
import type { ModePolicy, PolicyAnswer } from './mode-policy.js';
import { doneByNow, isSameMode, modeBody, desiredMode, type DesiredMode } from './desired-mode.js';

export interface ModeHandlerOptions {
  readonly hub: Pick<Hub, 'get' | 'sessions'>;
  readonly overrides: Pick<OperatorOverrides, 'orderOf'>;
  readonly policy: () => ModePolicy;
  readonly clock: Clock;
  readonly metrics: ModeMetrics;
}

const EVERY_MS = 20;
/** Frames in one turn of the event loop. */
const BATCH = 1_000;

/**
 * Tells agents which channel to use: in WELCOME, and by MODE when an order, the policy or a label changes it. Decisions come one by one and
 * concern thousands, so those who may be concerned are gathered first, and then told, as fast as this gateway can open their next sessions.
 *
 *     order, policy, label ──▶ to review ──differs from what it was told──▶ to tell ──batch──▶ MODE
 */
export class ModeHandler implements OrderListener {
  readonly #options: ModeHandlerOptions;
  readonly #pace: ChangeSpread;
  readonly #paced: BatchScheduler;
  /** What came of an order and what the policy answers beside it; thousands of sessions share one. */
  readonly #made = new WeakMap<ModeOverride, WeakMap<PolicyAnswer, DesiredMode>>();
  readonly #toReview = new Set<Session>();
  readonly #toTell = new Set<Session>();

  constructor(options: ModeHandlerOptions) {
    this.#options = options;
    this.#pace = new ChangeSpread(options);
    this.#paced = new BatchScheduler({ clock: options.clock, everyMs: EVERY_MS, run: () => this.#run() });
  }

  stop(): void {
    this.#paced.cancel();
  }

  /** What WELCOME says of it; nothing to agents that did not say that they can change. */
  welcome(session: Session): ModeBody | undefined {
    if (session.profile?.canChangeMode !== true) return undefined;
    const wanted = this.#wanted(session);
    session.told = wanted;
    if (wanted.mode !== session.mode) this.#pace.expect(1);
    return modeBody(wanted, { nowMs: this.#options.clock.now(), spreadMs: this.#pace.spreadMs });
  }

  ordered(org: OrgId, agentId: AgentId): void {
    const session = this.#options.hub.get(agentId);
    if (session?.org === org) this.review(session);
  }

  /** Something has changed that may change what this session is wanted to do. */
  review(session: Session): void {
    if (session.told === undefined) return;
    this.#toReview.add(session);
    this.#paced.due();
  }

  reviewAll(): void {
    for (const session of this.#options.hub.sessions()) this.review(session);
  }

  #run(): void {
    for (const session of this.#toReview) {
      const change = this.#changeOf(session);
      if (change === undefined || this.#toTell.has(session)) continue;
      this.#toTell.add(session);
      if (change.isMove) this.#pace.expect(1);
    }
    this.#toReview.clear();
    this.#tellSome();
    if (this.#toTell.size > 0) this.#paced.due();
  }

  #tellSome(): void {
    const { clock, metrics } = this.#options;
    const told = { nowMs: clock.now(), spreadMs: this.#pace.spreadMs };
    const frames = new Map<DesiredMode, Uint8Array>();
    let room = BATCH;
    for (const session of this.#toTell) {
      if ((room -= 1) < 0) return;
      this.#toTell.delete(session);
      // As it is by now: it may have changed once more, or back.
      const change = this.#changeOf(session);
      if (change === undefined) continue;
      const { wanted } = change;
      const frame = frames.get(wanted) ?? encodeFrame(FRAME.mode, 0, encodeBody('mode', modeBody(wanted, told)));
      frames.set(wanted, frame);
      if (session.send(frame) !== 'sent') continue;
      session.told = wanted;
      metrics.modesTold.inc({ mode: wanted.mode });
    }
  }

  /** What a session must be told; `isMove` when it is to open another one for it. */
  #changeOf(session: Session): { readonly wanted: DesiredMode; readonly isMove: boolean } | undefined {
    if (session.state !== 'ready' || session.told === undefined) return undefined;
    const doing = doneByNow(session.told, this.#options.clock.now());
    const wanted = this.#wanted(session);
    return isSameMode(doing, wanted)
      ? undefined
      : { wanted, isMove: wanted.mode !== doing.mode && wanted.mode !== session.mode };
  }

  #wanted(session: Session): DesiredMode {
    const { overrides, policy, clock } = this.#options;
    const answer = policy().answerFor(session);
    const order = overrides.orderOf(session.org, session.agentId, clock.now());
    if (order === undefined) return answer;
    const made = this.#made.get(order) ?? new WeakMap<PolicyAnswer, DesiredMode>();
    this.#made.set(order, made);
    const wanted = made.get(answer) ?? desiredMode(order, answer);
    made.set(answer, wanted);
    return wanted;
  }
}
