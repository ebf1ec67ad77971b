import type { Broker } from '@muster/bus';
import { Directory } from '@muster/directory';
import { metricsPartition } from '@muster/host-metrics';
import { SUBJECTS, type TelemetryHeartbeat } from '@muster/messages';
import { newTelemetryServiceId, type TelemetryServiceId } from '@muster/protocol';
import { PresenceDoubt, type Registry } from '@muster/registry';
import { FollowedFile, type Clock, type Component, type Logger, type Metrics } from '@muster/runtime';
import { LiveInstances, type ServiceBase, type ServiceConfig } from '@muster/service-base';
import { fleetLabels, type TelemetryConfig } from './config.js';
import { FleetHistograms } from './fleet/fleet-histograms.js';
import { HealthMonitor } from './health/health-monitor.js';
import { DEFAULT_HEALTH_POLICY, parseHealthPolicy } from './health/health-policy.js';
import { HealthRecords } from './health/health-records.js';
import { SilenceRecorder } from './health/silence-recorder.js';
import { createTelemetryMetrics } from './metrics.js';
import { createRemoteWriter } from './remote-write/create-remote-writer.js';
import { GatewayAnswers } from './partitions/gateway-answers.js';
import { PartitionOwner } from './partitions/partition-owner.js';
import type { SampleWriter } from './remote-write/sample-writer.js';
import { FleetScan } from './requests/fleet-scan.js';
import { TelemetryRequestHandler } from './requests/telemetry-request-handler.js';
import { TelemetryRequests } from './requests/telemetry-requests.js';
import { EndpointTable } from './samples/endpoint-table.js';
import { EndpointRemoval } from './endpoint-removal.js';
import { Expiry } from './samples/expiry.js';
import { KeyframeRequests } from './samples/keyframe-requests.js';
import { SampleHandler } from './samples/sample-handler.js';
import { SampleProcessor, type SlotObserver } from './samples/sample-processor.js';

export interface TelemetryServiceDeps {
  readonly broker: Broker;
  readonly registry: Registry;
  readonly secrets: ServiceBase['secrets'];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly config: Omit<TelemetryConfig, keyof ServiceConfig>;
}

export interface TelemetryService {
  readonly instance: TelemetryServiceId;
  /** In the order in which they start. */
  readonly components: readonly (readonly [name: string, component: Component])[];
}

/** What endpoints sent may take so much for each of the endpoints that there may be; a usual one takes 740 bytes. */
const ENDPOINT_BYTES = 1_024;
const LEAST_BYTES = 64 * 1_024 * 1_024;

/** One instance of the telemetry service over a connected broker. Its streams must exist. */
export function createTelemetryService(deps: TelemetryServiceDeps): TelemetryService {
  const { broker, clock, logger, config } = deps;
  const { bus, streams } = broker;
  const instance = newTelemetryServiceId();
  const labels = fleetLabels(config);
  const beforeRead = (): void => owner.check();
  const metrics = createTelemetryMetrics(deps.metrics, {
    ...{ labels, beforeRead, fleet: () => fleet },
    partitions: () => owner.partitions.length,
    services: () => instances.count,
    health: () => health.counts(),
  });

  const directory = new Directory({ streams, logger });
  const table = new EndpointTable({ maxBytes: Math.max(LEAST_BYTES, config.maxEndpoints * ENDPOINT_BYTES) });
  const fleet = new FleetHistograms({ table, labels, endpointOf: (num) => directory.byNum(num) });
  const records = new HealthRecords({ streams, logger, metrics: metrics.health });
  const policyFile = new FollowedFile({
    ...{ what: 'health policy (MUSTER_HEALTH_POLICY_FILE)', path: config.healthPolicyFile, clock, logger },
    ...{ fallback: DEFAULT_HEALTH_POLICY, parse: parseHealthPolicy, onChange: () => health.policyChanged() },
  });
  const health: HealthMonitor = new HealthMonitor({
    ...{ clock, table, records, policy: () => policyFile.value, endpointOf: (num) => directory.byNum(num) },
  });
  const remote = createRemoteWriter({
    ...{ config, clock, logger, metrics: deps.metrics, table },
    latest: (secret) => deps.secrets.latest(secret),
    endpointOf: (num) => directory.byNum(num),
  });
  const silences = new SilenceRecorder({
    ...{ clock, record: (silence) => health.recordSilence(silence), onDropped: () => metrics.health.failures.inc() },
    isBack: (num) => table.slotOf(num) !== undefined,
  });
  const removal = new EndpointRemoval({ table, fleet, health, records, silences, samples: remote?.samples });
  const keyframes = new KeyframeRequests({ bus, clock, metrics });
  const processor = new SampleProcessor({
    ...{ clock, directory, table, maxEndpoints: config.maxEndpoints },
    observer: observing(fleet, health, remote?.samples),
    onValueFault: (reason) => metrics.samples.values.inc({ reason }),
    onNoKeyframe: (agentId) => void keyframes.agent(agentId),
  });
  const samples = new SampleHandler({
    ...{ processor, logger, metrics: metrics.samples },
    onSent: (partition, { gateway, asks }) => {
      gateways.heard(gateway);
      owner.answered(partition, gateway, asks);
    },
  });
  const expiry = new Expiry({
    ...{ clock, table, expiryMs: config.expiryMs, expire: (slot: number) => removal.expired(slot) },
    heardForMs: () => instances.hearsForMs,
    ask: (slot) => {
      const endpoint = directory.byNum(table.nums[slot] as number);
      return endpoint === undefined || keyframes.agent(endpoint.agentId);
    },
  });

  const instances: LiveInstances<TelemetryHeartbeat> = new LiveInstances({
    ...{ bus, clock, instance, subject: SUBJECTS.telemetryHeartbeats, kind: 'telemetry_beat' as const },
    details: () => ({}),
    onChange: () => owner.check(),
  });
  const heardForMs = (): number => instances.hearsForMs;
  const doubt = new PresenceDoubt({ registry: deps.registry, clock, heardForMs });
  const gateways = new GatewayAnswers({ registry: deps.registry, doubt, clock, logger });
  const owner: PartitionOwner = new PartitionOwner({
    ...{ bus, clock, logger, instance, instances },
    haveAllAnswered: (answered, sinceMs) => gateways.areAll(answered, sinceMs),
    onSamples: (partition, data) => samples.onMessage(partition, data),
    onRequest: (message) => requests.onRequest(message),
    onTaken: (partitions, ask) => keyframes.partitions(partitions, ask),
    onLost: (partitions) => removal.lost(partitions),
  });

  const requests: TelemetryRequestHandler = new TelemetryRequestHandler({
    ...{ bus, instance, clock, logger, metrics: metrics.requests, beforeRead },
    requests: new TelemetryRequests({
      ...{ clock, directory, table, labels },
      scan: new FleetScan({
        ...{ directory, table, healthOf: (num: number) => records.get(num)?.state ?? 'ok' },
        silent: () => new Set([...records.silent(), ...silences.pending()]),
        owns: (agentId) => owner.partitions.includes(metricsPartition(agentId)),
      }),
      health,
      coverage: () => ({ instance, partitions: owner.partitions, filling: owner.filling }),
    }),
  });

  const unwatch = directory.onChange((endpoint, change) => removal.changed(endpoint, change));
  return {
    instance,
    components: [
      ['directory', directory],
      ['changes of endpoints', { stop: unwatch }],
      [
        'health policy',
        { start: () => policyFile.start().then(() => health.policyChanged()), stop: () => policyFile.stop() },
      ],
      // Resolves when the newest record of each endpoint is read: only then the health of one can be judged.
      ['health records', records],
      ...(remote === undefined ? [] : [['remote write', remote.writer] as const]),
      ['keyframe requests', keyframes],
      ['silences', silences],
      ['expiry', expiry],
      ['doubt', doubt],
      ['gateways', gateways],
      ['partitions', owner],
      ['live services', instances],
      ['requests', requests],
    ],
  };
}

/** The fleet counts an endpoint, then its health is judged and its sample is written. */
function observing(fleet: FleetHistograms, health: HealthMonitor, remote: SampleWriter | undefined): SlotObserver {
  return {
    begin: (slot) => {
      fleet.begin(slot);
      health.begin(slot);
    },
    leave: (slot) => fleet.leave(slot),
    join: (slot) => {
      fleet.join(slot);
      health.judge(slot);
      remote?.write(slot);
    },
  };
}
