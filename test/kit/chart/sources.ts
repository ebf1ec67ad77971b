import type { Document, YAMLMap, YAMLSeq } from 'yaml';
import type { Marks } from './marks.js';
import { listOf, mapTexts, type FileRules } from './objects.js';
import { nameOf } from './workloads.js';

/** Which files of the kustomize source the chart has, and what each needs beside the rules for all. Path within `k8s/` → rules. */
export const COMPONENT_FILES: Readonly<Record<string, FileRules>> = {
  'components/nats/nats.yaml': {
    labels: 'muster.componentLabels',
    when: '.Values.nats.enabled',
    foreign: { 'muster-nats': '.Values.nats' },
    also: templateNats,
  },
  'components/redis/redis.yaml': {
    labels: 'muster.componentLabels',
    when: '.Values.redis.enabled',
    foreign: { 'muster-redis': '.Values.redis' },
  },
  'components/external-brokers/broker-networks.yaml': {
    labels: 'muster.componentLabels',
    when: '.Values.externalBrokers.enabled',
    also: templateBrokerNetworks,
  },
  'components/gateway-api/routes.yaml': {
    labels: 'muster.componentLabels',
    when: '.Values.gatewayApi.enabled',
    also: templateRoutes,
  },
  'components/cert-manager/certificates.yaml': {
    labels: 'muster.componentLabels',
    when: '.Values.certManager.enabled',
    also: templateCertificates,
  },
  'components/prometheus-operator/monitors.yaml': {
    labels: 'muster.componentLabels',
    when: '.Values.prometheusOperator.enabled',
    also: (document, marks) => {
      marks.lines(document.getIn(['metadata', 'labels']) as YAMLMap, MONITOR_LABELS);
    },
  },
  'components/keda/scaled-objects.yaml': {
    labels: 'muster.componentLabels',
    when: '.Values.keda.enabled',
    also: templateScaledObjects,
  },
  'agents/agent.yaml': {
    labels: 'muster.componentLabels',
    when: '.Values.agent.enabled',
    also: templateAgents,
  },
};

/** Labels by which an installation's Prometheus picks its monitors and rules. */
export const MONITOR_LABELS =
  '{{- with $.Values.prometheusOperator.labels }}\n{{- toYaml . | nindent %IN% }}\n{{- end }}';

/** Rules for a file of `k8s/base`. */
export function baseRules(file: string): FileRules {
  if (file === 'network-policies.yaml')
    return { labels: 'muster.labels', when: '.Values.networkPolicies.enabled', also: templatePolicies };
  if (file === 'settings.yaml') return { labels: 'muster.labels', also: templateSettings };
  if (file === 'namespace.yaml') {
    return {
      labels: 'muster.labels',
      when: '.Values.namespace.create',
      also: (document, marks) => document.setIn(['metadata', 'name'], marks.value('{{ .Release.Namespace }}')),
    };
  }
  return { labels: 'muster.labels' };
}

function templatePolicies(document: Document, marks: Marks): void {
  if (nameOf(document) !== 'muster-metrics') return;
  const from = ['spec', 'ingress', 0, 'from', 0, 'namespaceSelector', 'matchLabels', 'kubernetes.io/metadata.name'];
  document.setIn(from, marks.value('{{ .Values.networkPolicies.monitoringNamespace }}'));
}

function templateSettings(document: Document, marks: Marks): void {
  const data = document.get('data') as YAMLMap;
  if (nameOf(document) === 'muster-common') {
    data.items = [];
    marks.lines(
      data,
      [
        'MUSTER_NATS_URL: {{ .Values.brokers.natsUrl | quote }}',
        'MUSTER_REDIS_URL: {{ .Values.brokers.redisUrl | quote }}',
        '{{- if .Values.nats.enabled }}',
        // GB of NATS are powers of two.
        `MUSTER_STORAGE_LIMIT: {{ regexReplaceAll "([KMGT])B$" .Values.nats.maxFileStore "\${1}iB" | quote }}`,
        '{{- end }}',
        '{{- range $name, $value := .Values.settings }}',
        '{{ $name }}: {{ $value | quote }}',
        '{{- end }}',
      ].join('\n'),
    );
  }
  if (nameOf(document) === 'muster-settings') data.set('org', marks.value('{{ .Values.org | quote }}'));
  if (nameOf(document) === 'muster-policies')
    document.set('data', marks.value('{{- toYaml .Values.policies | nindent %IN2% }}'));
}

function templateNats(document: Document, marks: Marks): void {
  if (document.get('kind') === 'StatefulSet') {
    const claim = ['spec', 'volumeClaimTemplates', 0, 'spec'];
    document.setIn([...claim, 'resources', 'requests', 'storage'], marks.value('{{ .Values.nats.storage.size }}'));
    marks.lines(
      document.getIn(claim) as YAMLMap,
      '{{- with .Values.nats.storage.className }}\nstorageClassName: {{ . }}\n{{- end }}',
    );
  }
  if (document.get('kind') === 'ConfigMap') {
    document.set('data', marks.value('{{- include "muster.natsConfig" . | nindent %IN2% }}'));
  }
}

/** A cluster has routes; one server alone must have none. Both texts are those of the source. */
export function natsConfig(cluster: string, single: string): string {
  const code = (text: string): string =>
    text.trimEnd().replace(/max_file_store: \d+GB/, 'max_file_store: {{ .Values.nats.maxFileStore }}');
  const lines = (text: string): string =>
    text
      .split('\n')
      .map((line) => (line === '' ? '' : `  ${line}`))
      .join('\n');
  return [
    '{{- define "muster.natsConfig" -}}',
    'nats.conf: |',
    '{{- if gt (int .Values.nats.replicas) 1 }}',
    lines(code(cluster)),
    '{{- else }}',
    lines(code(single)),
    '{{- end }}',
    '{{- end }}',
    '',
  ].join('\n');
}

function templateBrokerNetworks(document: Document, marks: Marks): void {
  const egress = ['spec', 'egress', 0];
  listOf(
    marks,
    document.getIn([...egress, 'to']) as YAMLSeq,
    '{{- range .Values.externalBrokers.cidrs }}\n- ipBlock:\n    cidr: {{ . }}\n{{- end }}',
  );
  listOf(
    marks,
    document.getIn([...egress, 'ports']) as YAMLSeq,
    '{{- range .Values.externalBrokers.ports }}\n- protocol: TCP\n  port: {{ . }}\n{{- end }}',
  );
}

function templateRoutes(document: Document, marks: Marks): void {
  if (document.get('kind') === 'Gateway') {
    document.setIn(['spec', 'gatewayClassName'], marks.value('{{ .Values.gatewayApi.className }}'));
    for (const [index, program] of ['gateway', 'api'].entries())
      document.setIn(['spec', 'listeners', index, 'hostname'], marks.value(`{{ .Values.${program}.hostname }}`));
    return;
  }
  const program = nameOf(document).replace('muster-', '');
  listOf(marks, blockOf(document, ['spec', 'hostnames']), `- {{ .Values.${program}.hostname }}`);
}

function templateCertificates(document: Document, marks: Marks): void {
  const program = nameOf(document).replace('muster-', '');
  document.setIn(['spec', 'secretName'], marks.value(`{{ .Values.${program}.secrets.tls }}`));
  listOf(
    marks,
    blockOf(document, ['spec', 'dnsNames']),
    `- {{ .Values.${program}.hostname }}\n- muster-${program}.{{ .Release.Namespace }}.svc`,
  );
  document.setIn(['spec', 'issuerRef', 'kind'], marks.value('{{ .Values.certManager.issuer.kind }}'));
  document.setIn(['spec', 'issuerRef', 'name'], marks.value('{{ .Values.certManager.issuer.name }}'));
}

function templateScaledObjects(document: Document, marks: Marks): void {
  const program = nameOf(document).replace('muster-', '');
  document.setIn(['spec', 'minReplicaCount'], marks.value(`{{ .Values.${program}.autoscaling.minReplicas }}`));
  document.setIn(['spec', 'maxReplicaCount'], marks.value(`{{ .Values.${program}.autoscaling.maxReplicas }}`));
  mapTexts(document.contents, (text) => text.replaceAll('namespace="muster"', 'namespace="{{ $.Release.Namespace }}"'));
  for (const trigger of (document.getIn(['spec', 'triggers']) as YAMLSeq<YAMLMap>).items)
    trigger.setIn(['metadata', 'serverAddress'], marks.value('{{ .Values.keda.prometheusAddress }}'));
  const key = { gateway: 'sessionsPerGateway', query: 'queriesPerService', command: 'openCommandsPerService' }[program];
  const threshold = ['spec', 'triggers', 0, 'metadata', 'threshold'];
  document.setIn(threshold, marks.value(`{{ .Values.keda.${key} | quote }}`));
}

function templateAgents(document: Document, marks: Marks): void {
  const kind = document.get('kind');
  if (kind === 'Namespace') document.setIn(['metadata', 'name'], marks.value('{{ .Values.agent.namespace }}'));
  if (kind === 'ConfigMap') document.set('data', marks.value('{{- toYaml .Values.agent.settings | nindent %IN2% }}'));
}

function blockOf(document: Document, path: readonly string[]): YAMLSeq {
  const list = document.getIn(path) as YAMLSeq;
  list.flow = false;
  return list;
}
