import { Document, YAMLMap, isMap, isScalar } from 'yaml';
import type { Values } from './values.js';

/** What people read beside the values. `*` is any one key. The first that fits counts. */
const COMMENTS: readonly (readonly [path: string, comment: string])[] = [
  ['image', 'Images are [registry/]repository/PROGRAM:tag.'],
  ['image.tag', "Empty: the chart's appVersion."],
  ['image.pullSecrets', '[{ name: … }], Secrets of the namespace.'],
  ['org', 'The org of the first operator token, and of the enrolment secret that `npm run secrets` makes.'],
  ['gateway', 'Agents come here. The blocks of the services have the same keys.'],
  ['*.image', 'A whole image reference, with a digest if you like, in the place of the one above.'],
  ['*.replicas', 'Only without an autoscaler.'],
  ['*.terminationGracePeriodSeconds', 'More than preStopSeconds and MUSTER_STOP_TIMEOUT together.'],
  ['*.env', 'Settings of this service: docs/settings.md. Those of all are in `settings`.'],
  ['*.secrets', 'Names of the Secrets. `npm run secrets -- --kubernetes NAMESPACE` makes them with these names.'],
  ['*.hostname', 'Used by gatewayApi, certManager, and the notes.'],
  ['*.service.annotations', 'values-aws.yaml, values-gcp.yaml and values-azure.yaml have those of big clouds.'],
  ['brokers', 'Of the servers below. Others: externalBrokers.'],
  ['nats', 'NATS with JetStream in the cluster. One server, or three of them: see values-production.yaml.'],
  ['nats.maxFileStore', 'Less than the volume, and more than the streams reserve.'],
  ['redis', 'One Valkey without a volume: what is lost is registered again within seconds.'],
  ['settings', 'Settings of every service: docs/settings.md. Pods are replaced when they change.'],
  ['policies', 'Files that gateways read again when they change.'],
  ['namespace', 'Makes the namespace with the labels of pod security. Not with `helm install --create-namespace`.'],
  ['networkPolicies.monitoringNamespace', "Prometheus' namespace."],
  [
    'externalBrokers',
    'Policies for brokers outside of the namespace. Set brokers.natsUrl and brokers.redisUrl, and nats.enabled and redis.enabled to false.',
  ],
  ['gatewayApi', 'Gateway and TLSRoutes. Set gateway.service.type to ClusterIP with it.'],
  [
    'certManager',
    'Certificates in the place of the Secrets that `npm run secrets` makes. Agents must trust the issuer.',
  ],
  ['prometheusOperator', 'ServiceMonitor, PodMonitor and alerts.'],
  ['prometheusOperator.labels', 'By which your Prometheus selects them, for example `release: kube-prometheus-stack`.'],
  ['grafana', "Dashboards for Grafana's sidecar."],
  ['keda', 'Scales gateways, query and command by load, in the place of their autoscalers. Needs KEDA.'],
  [
    'agent',
    "The cluster's nodes as endpoints, in a namespace of their own. Privileged in part: read k8s/README.md before.",
  ],
  ['agent.settings', 'Settings of the agent: docs/install-agent.md.'],
];

/** `values.yaml`. */
export function valuesText(values: Values, made: string): string {
  const document = new Document(values);
  document.commentBefore = ` ${made.replace(/^# /, '')}\n The values are those of k8s/overlays/trial: one node, everything inside.`;
  comment(document.contents, []);
  return document.toString({ lineWidth: 0, singleQuote: true, flowCollectionPadding: false });
}

function comment(node: unknown, path: readonly string[]): void {
  if (!(node instanceof YAMLMap) && !isMap(node)) return;
  for (const { key, value } of node.items) {
    if (!isScalar(key)) continue;
    const here = [...path, String(key.value)];
    const text = COMMENTS.find(([pattern]) => fits(pattern.split('.'), here))?.[1];
    // What is said of a service is said once, at the first.
    if (text !== undefined && (here.length === 1 || here[0] === 'gateway' || !isService(here[0])))
      key.commentBefore = ` ${text}`;
    if (path.length === 0) key.spaceBefore = true;
    comment(value, here);
  }
}

function isService(name: string | undefined): boolean {
  return ['query', 'command', 'telemetry', 'posture', 'api'].includes(name ?? '');
}

function fits(pattern: readonly string[], path: readonly string[]): boolean {
  return (
    pattern.length === path.length &&
    pattern.every((part, i) => part === path[i] || (part === '*' && path[i] === 'gateway'))
  );
}
