import { workloads, type Manifest, type Workload } from '../manifests/manifest.js';
import { isFixedVariable, valueKey } from './workloads.js';

/** A tree of values, as `values.yaml` has them. */
export type Values = { [key: string]: unknown };

/** What a chart cannot read from objects: it is the same for all of them, or has no object by default. */
const CONSTANT: Values = {
  commonLabels: {},
  commonAnnotations: {},
  externalBrokers: { cidrs: ['10.0.0.0/8'], ports: [4222, 6379] },
  gatewayApi: { className: 'muster' },
  certManager: { issuer: { kind: 'ClusterIssuer', name: 'muster' } },
  prometheusOperator: { labels: {} },
  grafana: { folder: 'Muster' },
};
const POD: Values = {
  podLabels: {},
  podAnnotations: {},
  nodeSelector: {},
  tolerations: [],
  affinity: {},
  priorityClassName: '',
};

/**
 * The values by which the chart makes these objects: what kustomize renders, read backwards. `known` has values of what
 * is not among them.
 */
export function valuesOf(manifests: readonly Manifest[], known: Values = {}): Values {
  const find = (kind: string, name: string): Manifest | undefined =>
    manifests.find((one) => one.kind === kind && one.metadata.name === name);
  const data = (name: string): Readonly<Record<string, string>> => find('ConfigMap', name)?.data ?? {};
  const all = workloads(manifests);
  // The template makes the limit from `nats.maxFileStore`.
  const common = data('muster-common');
  const { MUSTER_NATS_URL: natsUrl, MUSTER_REDIS_URL: redisUrl, MUSTER_STORAGE_LIMIT: _limit, ...settings } = common;
  const values: Values = {
    image: { ...imageOf(all), pullPolicy: 'IfNotPresent', pullSecrets: [] },
    org: data('muster-settings')['org'],
    brokers: { natsUrl, redisUrl },
    settings,
    policies: data('muster-policies'),
    namespace: { create: false },
    networkPolicies: {
      enabled: find('NetworkPolicy', 'muster-default-deny') !== undefined,
      monitoringNamespace: 'monitoring',
    },
  };
  for (const workload of all) {
    const name = workload.metadata.name.replace('muster-', '');
    if (['nats', 'redis', 'agent'].includes(name)) continue;
    values[valueKey(name)] = programValues(workload, manifests);
  }
  const foreign = { nats: 'muster-nats', redis: 'muster-redis' };
  for (const [key, name] of Object.entries(foreign)) {
    const workload = all.find(({ metadata }) => metadata.name === name);
    if (workload !== undefined) values[key] = foreignValues(workload, data(name)['nats.conf']);
  }
  const agent = all.find(({ metadata }) => metadata.name === 'muster-agent');
  if (agent !== undefined) {
    const { namespace } = agent.metadata;
    values['agent'] = { namespace, settings: data('muster-agent'), ...programValues(agent, manifests) };
  }
  const keda = kedaValues(manifests);
  if (keda !== undefined) values['keda'] = keda;
  // A section that has no object here is as it is known, the whole of it.
  const merged = { ...structuredClone(CONSTANT), ...structuredClone(known), ...values };
  for (const [key, [kind, name]] of Object.entries(ENABLED))
    merged[key] = { enabled: find(kind, name) !== undefined, ...without(merged[key] as Values | undefined, 'enabled') };
  return merged;
}

/** A component is there when this object of it is. */
const ENABLED: Readonly<Record<string, readonly [kind: string, name: string]>> = {
  nats: ['StatefulSet', 'muster-nats'],
  redis: ['Deployment', 'muster-redis'],
  externalBrokers: ['NetworkPolicy', 'muster-external-brokers'],
  gatewayApi: ['Gateway', 'muster'],
  certManager: ['Certificate', 'muster-gateway'],
  prometheusOperator: ['ServiceMonitor', 'muster'],
  grafana: ['ConfigMap', 'muster-dashboard-gateways'],
  keda: ['ScaledObject', 'muster-gateway'],
  agent: ['DaemonSet', 'muster-agent'],
};

function imageOf(all: readonly Workload[]): Values {
  const image = all.find(({ metadata }) => metadata.name === 'muster-gateway')?.spec.template.spec.containers[0]?.image;
  const [, registry = '', repository, tag] = /^(?:(.+)\/)?([^/:]+)\/gateway:(.+)$/.exec(image ?? '') ?? [];
  return { registry, repository, tag };
}

function podValues(): Values {
  return structuredClone(POD);
}

function programValues(workload: Workload, manifests: readonly Manifest[]): Values {
  const { metadata, spec } = workload;
  const name = metadata.name;
  const pod = spec.template.spec;
  const container = pod.containers[0];
  const variables = (container?.env ?? []).filter((one) => !isFixedVariable(one.name) && one.value !== undefined);
  const secrets = (pod.volumes ?? []).flatMap((volume) =>
    volume.secret === undefined ? [] : [[valueKey(volume.name), volume.secret.secretName]],
  );
  const scaler = scalingOf(manifests, name);
  const service = manifests.find((one) => one.kind === 'Service' && one.metadata.name === name) as
    (Manifest & { metadata: { annotations?: Values } }) | undefined;
  return {
    image: '',
    ...(spec.replicas === undefined && scaler === undefined ? {} : { replicas: spec.replicas ?? scaler?.minReplicas }),
    ...(scaler === undefined ? {} : { autoscaling: { enabled: true, ...scaler } }),
    resources: container?.resources,
    ...(pod.terminationGracePeriodSeconds === undefined
      ? {}
      : { terminationGracePeriodSeconds: pod.terminationGracePeriodSeconds }),
    ...(container?.lifecycle?.preStop?.sleep === undefined
      ? {}
      : { preStopSeconds: container.lifecycle.preStop.sleep.seconds }),
    env: Object.fromEntries(variables.map((one) => [one.name, one.value])),
    extraEnv: [],
    secrets: Object.fromEntries(secrets) as Values,
    ...(['muster-gateway', 'muster-api'].includes(name)
      ? {
          hostname: `${name.replace('muster-', '')}.muster.example.com`,
          service: {
            type: service?.spec?.['type'] ?? 'ClusterIP',
            annotations: service?.metadata.annotations ?? {},
            externalTrafficPolicy: service?.spec?.['externalTrafficPolicy'] ?? 'Local',
            loadBalancerSourceRanges: [],
          },
        }
      : {}),
    ...podValues(),
    extraVolumes: [],
    extraVolumeMounts: [],
  };
}

interface Scaling {
  readonly minReplicas: number;
  readonly maxReplicas: number;
  readonly targetCPUUtilizationPercentage: number;
}

/** From the autoscaler, or from KEDA's object that takes its place. */
function scalingOf(manifests: readonly Manifest[], name: string): Scaling | undefined {
  const spec = (kind: string): Readonly<Record<string, unknown>> | undefined =>
    manifests.find((one) => one.kind === kind && one.metadata.name === name)?.spec;
  const own = spec('HorizontalPodAutoscaler') as
    | {
        minReplicas: number;
        maxReplicas: number;
        metrics: { resource: { target: { averageUtilization: number } } }[];
      }
    | undefined;
  if (own !== undefined) {
    return {
      minReplicas: own.minReplicas,
      maxReplicas: own.maxReplicas,
      targetCPUUtilizationPercentage: own.metrics[0]?.resource.target.averageUtilization ?? 60,
    };
  }
  const keda = spec('ScaledObject') as { minReplicaCount: number; maxReplicaCount: number } | undefined;
  if (keda === undefined) return undefined;
  return { minReplicas: keda.minReplicaCount, maxReplicas: keda.maxReplicaCount, targetCPUUtilizationPercentage: 60 };
}

function foreignValues(workload: Workload, config: string | undefined): Values {
  const container = workload.spec.template.spec.containers[0];
  const claim = workload.spec.volumeClaimTemplates?.[0] as
    { spec: { resources: { requests: { storage: string } }; storageClassName?: string } } | undefined;
  return {
    image: container?.image,
    // Others than the StatefulSet have one pod, whatever is wished.
    ...(workload.kind === 'StatefulSet' ? { replicas: workload.spec.replicas } : {}),
    resources: container?.resources,
    ...(claim === undefined ? {} : { storage: { size: claim.spec.resources.requests.storage, className: '' } }),
    ...(config === undefined ? {} : { maxFileStore: /max_file_store: (\d+GB)/.exec(config)?.[1] }),
    ...podValues(),
  };
}

function kedaValues(manifests: readonly Manifest[]): Values | undefined {
  const trigger = (name: string): { serverAddress: string; threshold: string } | undefined => {
    const found = manifests.find((one) => one.kind === 'ScaledObject' && one.metadata.name === name)?.spec;
    return (found?.['triggers'] as { metadata: { serverAddress: string; threshold: string } }[] | undefined)?.[0]
      ?.metadata;
  };
  const gateway = trigger('muster-gateway');
  if (gateway === undefined) return undefined;
  return {
    prometheusAddress: gateway.serverAddress,
    sessionsPerGateway: Number(gateway.threshold),
    queriesPerService: Number(trigger('muster-query')?.threshold),
    openCommandsPerService: Number(trigger('muster-command')?.threshold),
  };
}

/** Values of `over` take the place of those of `under`; mappings are joined. */
export function merge(under: Values, over: Values): Values {
  const result: Values = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const there = result[key];
    result[key] = isMap(value) && isMap(there) ? merge(there, value) : value;
  }
  return result;
}

/** What must be given beside `under` to have `over`. A key that is only in `under` is taken away by null, as Helm has it. */
export function difference(under: Values, over: Values): Values {
  const result: Values = {};
  for (const [key, value] of Object.entries(over)) {
    const there = under[key];
    if (isMap(value) && isMap(there)) {
      const inner = difference(there, value);
      if (Object.keys(inner).length > 0) result[key] = inner;
    } else if (JSON.stringify(value) !== JSON.stringify(there)) result[key] = value;
  }
  for (const key of Object.keys(under)) if (!(key in over)) result[key] = null;
  return result;
}

function without(values: Values = {}, key: string): Values {
  return Object.fromEntries(Object.entries(values).filter(([name]) => name !== key));
}

function isMap(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
