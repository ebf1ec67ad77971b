import type { Bus } from '@muster/bus';
import { METRICS_PARTITIONS, metricsPartition } from '@muster/host-metrics';
import {
  decodeBusMessage,
  decodeServiceMessage,
  encodeBusMessage,
  SUBJECTS,
  type LatestMetrics,
  type TelemetryHeartbeat,
  type TelemetryReply,
  type TelemetryRequest,
} from '@muster/messages';
import { AppError, type AgentId, type OrgId, type TelemetryServiceId } from '@muster/protocol';
import type { Clock } from '@muster/runtime';
import { HeartbeatListener, replyOf, ServiceInstances, type ServiceName } from '@muster/service-base';

type Kind = 'fleet_metrics' | 'fleet_top' | 'health_states' | 'health_list';
type ReplyTo<K extends Kind> = Extract<TelemetryReply, { readonly t: K }>;

/** What all telemetry services together say. */
export interface Gathered<R> {
  readonly replies: readonly R[];
  readonly partitions: { readonly of: number; readonly missing: number[] };
}

const TIMEOUT_MS = 3_000;
const SERVICE: ServiceName = { name: 'telemetry service', absent: 'no_telemetry_service' };

/** Asks telemetry services: the one that owns an endpoint's partition, or all of them. */
export class TelemetryClient {
  readonly #bus: Pick<Bus, 'request'>;
  readonly instances: ServiceInstances;
  readonly heartbeats: HeartbeatListener;

  constructor({ bus, clock }: { readonly bus: Pick<Bus, 'request' | 'subscribe'>; readonly clock: Clock }) {
    this.#bus = bus;
    this.instances = new ServiceInstances(clock);
    this.heartbeats = new HeartbeatListener({
      ...{ bus, instances: this.instances },
      subject: SUBJECTS.telemetryHeartbeats,
      read: (data) => {
        const heartbeat = decodeBusMessage<TelemetryHeartbeat>(data, 'telemetry_beat');
        return heartbeat === undefined ? undefined : { ...heartbeat, id: heartbeat.instance };
      },
    });
  }

  /** Throws `no_telemetry_service`, `timeout`, `broker_unavailable`. */
  async latest(org: OrgId, agentId: AgentId): Promise<LatestMetrics> {
    const subject = SUBJECTS.latestMetrics(metricsPartition(agentId));
    const reply = await this.#ask(subject, { t: 'latest_metrics', org, agentId });
    if (reply.t !== 'latest_metrics') throw new AppError('internal', 'the telemetry service answered something else');
    return reply;
  }

  /**
   * Asks all that are heard. An instance that does not answer is not waited for longer than three seconds, and its
   * partitions are missing. Throws when nobody answers.
   */
  async gather<K extends Kind>(request: TelemetryRequest & { readonly t: K }): Promise<Gathered<ReplyTo<K>>> {
    const ids = this.instances.live();
    if (ids.length === 0)
      throw new AppError(SERVICE.absent, 'no telemetry service was heard; try again in a moment', {
        details: { retryAfterMs: 1_000 },
      });
    const asked = ids.map((id) => this.#ask(SUBJECTS.telemetryService(id as TelemetryServiceId), request));
    const settled = await Promise.allSettled(asked);
    const replies = settled.flatMap((each) =>
      each.status === 'fulfilled' && each.value.t === request.t ? [each.value as ReplyTo<K>] : [],
    );
    if (replies.length === 0) throw settled.find((each) => each.status === 'rejected')?.reason;
    return { replies, partitions: coverageOf(replies) };
  }

  async #ask(subject: string, request: TelemetryRequest): Promise<Exclude<TelemetryReply, { readonly t: 'problem' }>> {
    const result = await this.#bus.request(subject, encodeBusMessage(request), { timeoutMs: TIMEOUT_MS });
    const reply = replyOf(result, decodeServiceMessage<TelemetryReply>, SERVICE, 'read');
    if (reply.t === 'problem') throw new AppError(reply.code, reply.message, { details: reply.details });
    return reply;
  }
}

/** Partitions that nobody knows whole. One that two services claim may have been counted twice, and is no better. */
function coverageOf(
  replies: readonly { readonly partitions: readonly number[]; readonly filling: readonly number[] }[],
) {
  const owners = new Map<number, number>();
  for (const { partitions } of replies) for (const each of partitions) owners.set(each, (owners.get(each) ?? 0) + 1);
  const filling = new Set(replies.flatMap((reply) => reply.filling));
  const all = Array.from({ length: METRICS_PARTITIONS }, (_, partition) => partition);
  return {
    of: METRICS_PARTITIONS,
    missing: all.filter((partition) => owners.get(partition) !== 1 || filling.has(partition)),
  };
}
