import type { BusSubscription } from '@muster/bus';
import { decodeBusMessage, SUBJECTS, type KeyframesWanted, type WatchRenewal } from '@muster/messages';
import { CAPABILITY, FRAME, LIMITS, type AgentId, type FrameType, type Header } from '@muster/protocol';
import { FollowedFile } from '@muster/runtime';
import type { Capability, CapabilityContext, FrameFault, FrameRoute } from '../../foundation/capability.js';
import type { SessionView } from '../../foundation/session-view.js';
import { IntervalAssigner } from './interval-assigner.js';
import { KeyframeResender } from './keyframe-resender.js';
import { KeyframeStore } from './keyframe-store.js';
import { MetricsPolicy, parseMetricsPolicy } from './metrics-policy.js';
import { SampleBatcher } from './sample-batcher.js';
import { createSampleMetrics, type SampleMetrics } from './sample-metrics.js';
import { SampleRate } from './sample-rate.js';
import { SampledSession, type SampleFrame } from './sampled-session.js';
import { Watches } from './watches.js';

export interface MetricsHandlerOptions extends CapabilityContext {
  /** Without a file every endpoint sends a sample a minute. */
  readonly policyFile: string | undefined;
  /** Endpoints that are watched here at once; more of them stay at their interval. */
  readonly maxWatched?: number;
}

const FLOOD: FrameFault = { reason: 'overloaded', detail: 'more samples than one a second; come back, and send fewer' };
const UNASKED: FrameFault = { reason: 'protocolError', detail: 'samples of an agent without the capability' };
const TOO_BIG: FrameFault = { reason: 'tooBig', detail: 'a sample over the limit' };

/** Host metrics on this gateway: tells agents how often to measure, and passes on what they send, unread. */
export class MetricsHandler implements Capability {
  readonly name = CAPABILITY.metrics;
  readonly frames: Capability['frames'] = [
    this.#route(FRAME.keyframe),
    this.#route(FRAME.delta),
    this.#route(FRAME.processes),
    { type: FRAME.history, hasRef: true, handle: (session, header, body) => this.#history(session, header, body) },
  ];
  readonly #options: MetricsHandlerOptions;
  readonly #metrics: SampleMetrics;
  readonly #sessions = new Map<SessionView, SampledSession>();
  readonly #policy: FollowedFile<MetricsPolicy>;
  readonly #assigner: IntervalAssigner;
  readonly #rate: SampleRate;
  readonly #keyframes = new KeyframeStore();
  readonly #batcher: SampleBatcher;
  readonly #resender: KeyframeResender;
  readonly #watches: Watches;
  #subscription: BusSubscription | undefined;
  #endWatch: () => void = () => undefined;

  constructor(options: MetricsHandlerOptions) {
    const { policyFile, clock, logger } = options;
    this.#options = options;
    this.#metrics = createSampleMetrics(options.metrics, {
      keyframes: () => this.#keyframes.count,
      keyframeBytes: () => this.#keyframes.bytes,
      watched: () => this.#watches.size,
      histories: () => this.#watches.histories.size,
    });
    const context = { ...options, metrics: this.#metrics };
    this.#policy = new FollowedFile({
      ...{ what: 'metrics policy (MUSTER_METRICS_POLICY_FILE)', path: policyFile, clock, logger },
      ...{ fallback: new MetricsPolicy(), parse: parseMetricsPolicy },
      onChange: () => {
        for (const sampled of this.#sessions.values()) this.#assigner.review(sampled);
      },
    });
    this.#assigner = new IntervalAssigner({ clock, policy: this.#policy });
    this.#rate = new SampleRate({ clock });
    this.#batcher = new SampleBatcher(context);
    this.#resender = new KeyframeResender({ ...context, batcher: this.#batcher, assigner: this.#assigner });
    this.#watches = new Watches({ ...context, assigner: this.#assigner, find: (agentId) => this.#find(agentId) });
  }

  async start(): Promise<void> {
    const { bus } = this.#options;
    await this.#policy.start();
    this.#subscription = bus.subscribe(SUBJECTS.allGatewayMetrics, ({ data }) => this.#heard(data));
    this.#endWatch = bus.onConnectionChange((connected) => {
      if (connected) this.#batcher.reconnected();
    });
  }

  /** Sends what waits. */
  stop(): void {
    this.#endWatch();
    this.#subscription?.unsubscribe();
    this.#policy.stop();
    this.#assigner.stop();
    this.#resender.stop();
    this.#watches.stop();
    this.#batcher.stop();
  }

  ready(session: SessionView): void {
    if (session.profile?.capabilities.has(this.name) !== true) return;
    const sampled = new SampledSession(session, this.#options.clock.monotonic());
    this.#sessions.set(session, sampled);
    this.#watches.arrived(sampled);
    this.#assigner.ready(sampled);
  }

  relabelled(session: SessionView): void {
    const sampled = this.#sessions.get(session);
    if (sampled !== undefined) this.#assigner.review(sampled);
  }

  closed(session: SessionView): void {
    const sampled = this.#sessions.get(session);
    if (sampled === undefined) return;
    this.#sessions.delete(session);
    this.#keyframes.forget(sampled);
    this.#assigner.closed(sampled);
    this.#resender.closed(sampled);
    const hasNewer = this.#options.hub.get(session.agentId) !== undefined;
    this.#watches.closed(sampled, { hasNewer });
    if (!hasNewer) this.#batcher.ended(sampled);
  }

  /** Its agents may be elsewhere by now: nobody is told that their sessions have ended. */
  fenced(): void {
    for (const sampled of this.#sessions.values()) this.#keyframes.forget(sampled);
    this.#sessions.clear();
    this.#assigner.stop();
    this.#resender.stop();
    this.#watches.clear();
    this.#batcher.clear();
  }

  #route(type: FrameType): FrameRoute {
    return { type, handle: (session, _header, body, ageMs) => this.#sample(session, type, body, ageMs) };
  }

  #sample(session: SessionView, type: FrameType, bytes: Uint8Array, ageMs: number): FrameFault | undefined {
    const sampled = this.#sessions.get(session);
    if (sampled === undefined) return UNASKED;
    const refusal = this.#refuse(sampled, bytes);
    if (refusal !== undefined) return refusal.fault;
    // It may have been on its way when the agent was told to stop.
    if (sampled.intervalMs === 0 && !sampled.isWatched) {
      this.#metrics.samples.inc({ result: 'off' });
      return undefined;
    }
    if (type === FRAME.keyframe) sampled.wantsKeyframe = false;
    const frame = { type, ...this.#measuredAt(sampled, type, ageMs), body: new Uint8Array(bytes) };
    if (!this.#keyframes.keep(sampled, frame)) this.#metrics.dropped.inc({ reason: 'keyframe' });
    this.#batcher.add(sampled, frame);
    this.#watches.frame(sampled, frame);
    this.#metrics.samples.inc({ result: 'taken' });
    return undefined;
  }

  /**
   * When it was measured by this gateway's clock: readings of one poll come together, each with its age. An agent
   * cannot say that it measured before its session began, or before the sample that it sent last.
   */
  #measuredAt(sampled: SampledSession, type: FrameType, saidMs: number): Pick<SampleFrame, 'atMs' | 'ageMs'> {
    const { clock } = this.#options;
    const nowMs = clock.now();
    const eldestMs = nowMs - Math.min(saidMs, clock.monotonic() - sampled.sinceMs);
    if (type === FRAME.processes) return { atMs: eldestMs, ageMs: nowMs - eldestMs };
    // This clock may have been set back.
    const atMs = Math.min(nowMs, Math.max(eldestMs, sampled.sampledAtMs));
    sampled.sampledAtMs = atMs;
    return { atMs, ageMs: nowMs - atMs };
  }

  #history(session: SessionView, header: Header, bytes: Uint8Array): FrameFault | undefined {
    const sampled = this.#sessions.get(session);
    if (sampled === undefined) return UNASKED;
    if (bytes.length > LIMITS.historyBytes) return TOO_BIG;
    if (this.#watches.histories.take(sampled, header, bytes)) return undefined;
    // It came too late, or its viewer has left.
    this.#metrics.histories.inc({ result: 'unasked' });
    return this.#refuse(sampled, bytes)?.fault;
  }

  #find(agentId: AgentId): SampledSession | undefined {
    const session = this.#options.hub.get(agentId);
    return session === undefined ? undefined : this.#sessions.get(session);
  }

  /** Why a frame is not taken: it ends the session, or is ignored (`undefined`). */
  #refuse(sampled: SampledSession, bytes: Uint8Array): { readonly fault: FrameFault | undefined } | undefined {
    const tooBig = bytes.length > LIMITS.sampleBytes;
    const rate = tooBig ? 'ok' : this.#rate.take(sampled);
    if (rate === 'ok' && !tooBig) return undefined;
    this.#metrics.samples.inc({ result: tooBig ? 'too_big' : rate });
    if (tooBig) return { fault: TOO_BIG };
    if (rate === 'over') return { fault: undefined };
    this.#options.logger.warn('session floods the gateway with samples', { agentId: sampled.session.agentId });
    return { fault: FLOOD };
  }

  #heard(data: Uint8Array): void {
    const { identity, logger } = this.#options;
    identity.checkLease();
    const message = decodeBusMessage<KeyframesWanted | WatchRenewal>(data, 'keyframes_wanted', 'watch');
    if (message === undefined) {
      logger.warn('a message to all gateways is not understood', { bytes: data.length });
      return;
    }
    if (message.t === 'watch') this.#watches.renewed(message);
    else this.#resender.wanted(message, this.#sessions.values());
  }
}
