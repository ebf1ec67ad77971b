import { metricsPartition } from '@muster/host-metrics';
import type { SessionView } from '../../foundation/session-view.js';

/** A frame of a sample as it came. */
export interface SampleFrame {
  readonly type: number;
  /** When it was measured, by the gateway's wall clock: when it came, less its age. */
  readonly atMs: number;
  /** How old it was when it came. */
  readonly ageMs: number;
  /** A copy: it may be kept. */
  readonly body: Uint8Array;
}

/** What is known of one session whose agent measures. There are tens of thousands of these: keep it small. */
export class SampledSession {
  readonly session: SessionView;
  readonly partition: number;
  /** Monotonic; nothing that it sends is older than the session. */
  readonly sinceMs: number;
  /** When its newest sample was measured, by the gateway's wall clock. */
  sampledAtMs = Number.NEGATIVE_INFINITY;
  /** The interval that METRICS said last; 0: it sends nothing, unless it is watched. */
  intervalMs = 0;
  isWatched = false;
  /** METRICS asks for a keyframe until one comes. */
  wantsKeyframe = false;
  /** Monotonic; when METRICS must be said again, while it is watched. */
  renewAtMs = 0;
  /** The last KEYFRAME, and the last DELTA that came after it. */
  keyframe: SampleFrame | undefined;
  delta: SampleFrame | undefined;
  /** Monotonic; when everything that it sent so far would have come at the rate that it may send at. */
  paidUntilMs = 0;

  constructor(session: SessionView, nowMs: number) {
    this.session = session;
    this.sinceMs = nowMs;
    this.partition = metricsPartition(session.agentId);
  }
}
