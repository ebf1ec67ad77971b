import type { BusSubscription } from '@muster/bus';
import { decodeBusMessage, SUBJECTS, type KeyframesWanted } from '@muster/messages';
import { CAPABILITY, FRAME, LIMITS, type FrameType } from '@muster/protocol';
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
import { SampledSession } from './sampled-session.js';

export interface MetricsHandlerOptions extends CapabilityContext {
  /** Without a file every endpoint sends a sample a minute. */
  readonly policyFile: string | undefined;
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
  #subscription: BusSubscription | undefined;
  #endWatch: () => void = () => undefined;

  constructor(options: MetricsHandlerOptions) {
    const { policyFile, clock, logger } = options;
    this.#options = options;
    this.#metrics = createSampleMetrics(options.metrics, {
      keyframes: () => this.#keyframes.count,
      keyframeBytes: () => this.#keyframes.bytes,
      watched: () => 0,
      histories: () => 0,
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
    this.#batcher.stop();
  }

  ready(session: SessionView): void {
    if (session.profile?.capabilities.has(this.name) !== true) return;
    const sampled = new SampledSession(session);
    this.#sessions.set(session, sampled);
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
    if (this.#options.hub.get(session.agentId) === undefined) this.#batcher.ended(sampled);
  }

  /** Its agents may be elsewhere by now: nobody is told that their sessions have ended. */
  fenced(): void {
    for (const sampled of this.#sessions.values()) this.#keyframes.forget(sampled);
    this.#sessions.clear();
    this.#assigner.stop();
    this.#resender.stop();
    this.#batcher.clear();
  }

  #route(type: FrameType): FrameRoute {
    return { type, handle: (session, _header, body) => this.#sample(session, type, body) };
  }

  #sample(session: SessionView, type: FrameType, bytes: Uint8Array): FrameFault | undefined {
    const sampled = this.#sessions.get(session);
    if (sampled === undefined) return UNASKED;
    const refusal = this.#refuse(sampled, bytes);
    if (refusal !== undefined) return refusal.fault;
    // It may have been on its way when the agent was told to stop.
    if (sampled.intervalMs === 0 && !sampled.isWatched) {
      this.#metrics.samples.inc({ result: 'off' });
      return undefined;
    }
    const frame = { type, atMs: this.#options.clock.now(), body: new Uint8Array(bytes) };
    if (!this.#keyframes.keep(sampled, frame)) this.#metrics.dropped.inc({ reason: 'keyframe' });
    this.#batcher.add(sampled, frame);
    this.#metrics.samples.inc({ result: 'taken' });
    return undefined;
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
    const message = decodeBusMessage<KeyframesWanted>(data, 'keyframes_wanted');
    if (message === undefined) {
      logger.warn('a message to all gateways is not understood', { bytes: data.length });
      return;
    }
    this.#resender.wanted(message, this.#sessions.values());
  }
}
