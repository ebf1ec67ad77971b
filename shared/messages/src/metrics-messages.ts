import type { AgentId, GatewayId, OrgId, TelemetryServiceId } from '@muster/protocol';

/**
 * What gateways, telemetry services and the API say to each other about host metrics. Bodies of frames pass gateways
 * unread. The bus delivers at most once: a delta that is lost costs one sample; a keyframe that is lost is asked for
 * again.
 */

/** Gateway → the telemetry service that owns a partition: what endpoints of that partition sent. */
export interface SampleBatch {
  readonly t: 'samples';
  readonly gateway: GatewayId;
  readonly items: readonly SampleItem[];
}

/**
 * One frame: KEYFRAME, DELTA or PROCESSES. `num` is the number of the endpoint's identity in its org, `epoch` that of
 * the session, `atMs` the gateway's clock when it was measured. `everyMs`: samples come so often, or at polls that are
 * so far apart. `ageMs`: how old it was when it came, absent for
 * 0. Gateways of the version before say the time when it came, and not `ageMs`.
 */
export type SampleItem = readonly [
  org: OrgId,
  agentId: AgentId,
  num: number,
  epoch: number,
  type: number,
  atMs: number,
  body: Uint8Array,
  everyMs?: number,
  ageMs?: number,
];

/** Gateway → the owner of a partition: these sessions have ended, and the endpoints have no newer one here. */
export interface SessionsEnded {
  readonly t: 'samples_ended';
  readonly gateway: GatewayId;
  readonly items: readonly (readonly [org: OrgId, agentId: AgentId, num: number, epoch: number])[];
}

/**
 * Telemetry service → all gateways: send the last keyframe of these endpoints again, or of all in these partitions. The
 * last delta follows each. The agent of an endpoint in `agents` of which none is kept is asked for one.
 */
export interface KeyframesWanted {
  readonly t: 'keyframes_wanted';
  readonly partitions?: readonly number[];
  readonly agents?: readonly AgentId[];
  /** Each gateway says {@link KeyframesSent} with it for each of the partitions. */
  readonly ask?: string;
}

/** Gateway → the owner of a partition, after the keyframes that were asked for: all that it has of this partition has been sent. */
export interface KeyframesSent {
  readonly t: 'keyframes_sent';
  readonly gateway: GatewayId;
  readonly asks: readonly string[];
}

/**
 * API → all gateways, every {@link WATCH_RENEWAL_MS} and whenever the list changes: the endpoints that viewers of this
 * process watch. A gateway forgets what was not renewed for {@link WATCH_LEASE_MS}.
 */
export interface WatchRenewal {
  readonly t: 'watch';
  /** The API process. */
  readonly api: string;
  readonly agents: readonly AgentId[];
  /** Of these: the ones whose keyframe and history this process does not have yet. */
  readonly begin?: readonly AgentId[];
  /** Of those in `begin`: the ones of which nobody wants minutes, which are most of a history. */
  readonly secondsOnly?: readonly AgentId[];
  /** It reads {@link WatchHistory.more}; processes before this version do not. */
  readonly joined?: true;
}

export const WATCH_RENEWAL_MS = 2_000;
export const WATCH_LEASE_MS = 7_000;

/**
 * Gateway → viewers of one endpoint: frames in the order in which they came (KEYFRAME, DELTA, PROCESSES). When a
 * process begins to watch, the last keyframe and the last delta come again for all of them, with the times at which
 * they came first.
 */
export interface WatchFrames {
  readonly t: 'watch_frames';
  readonly org: OrgId;
  readonly agentId: AgentId;
  readonly epoch: number;
  readonly frames: readonly (readonly [type: number, atMs: number, body: Uint8Array])[];
}

/** Gateway → viewers of one endpoint: a piece of its history, asked for by one API process. */
export interface WatchHistory {
  readonly t: 'watch_history';
  readonly api: string;
  readonly agentId: AgentId;
  readonly final: boolean;
  /** It was asked for without minutes. Older gateways always ask for them. */
  readonly secondsOnly?: true;
  readonly body: Uint8Array;
  /** The pieces after it, for processes whose renewal said `joined`. */
  readonly more?: readonly Uint8Array[];
}

/** Gateway → viewers of one endpoint: its session here is over. */
export interface WatchEnded {
  readonly t: 'watch_ended';
  readonly agentId: AgentId;
  readonly epoch: number;
}

/** Telemetry service → everyone, every second. */
export interface TelemetryHeartbeat {
  readonly t: 'telemetry_beat';
  readonly instance: TelemetryServiceId;
  readonly stopping: boolean;
  readonly nowMs: number;
  /** Of the program; absent in versions that did not say. */
  readonly version?: string;
}

export type MetricsBusMessage =
  | SampleBatch
  | SessionsEnded
  | KeyframesWanted
  | KeyframesSent
  | WatchRenewal
  | WatchFrames
  | WatchHistory
  | WatchEnded
  | TelemetryHeartbeat;
