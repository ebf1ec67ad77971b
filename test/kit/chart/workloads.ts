import { Scalar, type Document, type YAMLMap, type YAMLSeq } from 'yaml';
import type { Marks } from './marks.js';

/** `agent-tokens` → `agentTokens`: a key that templates can name. */
export function valueKey(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Variables that say where a mounted file is, or who the program is, go with the manifest. All others are values. */
export function isFixedVariable(name: string): boolean {
  return name.endsWith('_FILE') || ['MUSTER_REDIS_USER', 'MUSTER_GATEWAY_CA', 'MUSTER_DATA_DIR'].includes(name);
}

export interface WorkloadRules {
  /** Where its values are: `.Values.gateway`. */
  readonly values: string;
  /** A program of ours has the registry and tag of all; another has its whole image as a value. */
  readonly program?: string;
  readonly autoscaled?: boolean;
  readonly labels?: string;
}

/** A Deployment, StatefulSet, DaemonSet or Job: what installations differ in becomes values. */
export function templateWorkload(document: Document, marks: Marks, rules: WorkloadRules): void {
  const { values, program } = rules;
  if (rules.autoscaled === true) {
    const spec = document.get('spec') as YAMLMap;
    marks.lines(
      spec,
      `{{- if not ${values}.autoscaling.enabled }}\nreplicas: {{ ${values}.replicas }}\n{{- end }}`,
      'revisionHistoryLimit',
    );
  } else if (
    document.hasIn(['spec', 'replicas']) &&
    (program !== undefined || document.get('kind') === 'StatefulSet')
  ) {
    document.setIn(['spec', 'replicas'], marks.value(`{{ ${values}.replicas }}`));
  }
  templatePod(document.getIn(['spec', 'template']) as YAMLMap, marks, rules);
}

function templatePod(template: YAMLMap, marks: Marks, { values, program, labels }: WorkloadRules): void {
  const podLabels = template.getIn(['metadata', 'labels']) as YAMLMap;
  if (labels !== undefined) podLabels.set('app.kubernetes.io/part-of', 'muster');
  marks.lines(
    podLabels,
    `{{- with merge (dict) ${values}.podLabels .Values.commonLabels }}\n{{- toYaml . | nindent %IN% }}\n{{- end }}`,
  );
  const settings = program === 'agent' ? `${values}.settings` : 'list .Values.settings .Values.brokers .Values.org';
  const checksum = program === undefined ? '' : `checksum/settings: {{ ${settings} | toJson | sha256sum }}\n`;
  const own = `{{- with ${values}.podAnnotations }}`;
  marks.lines(
    template.get('metadata') as YAMLMap,
    checksum === ''
      ? `${own}\nannotations: {{- toYaml . | nindent %IN2% }}\n{{- end }}`
      : `annotations:\n  ${checksum}  ${own}\n  {{- toYaml . | nindent %IN2% }}\n  {{- end }}`,
  );
  const pod = template.get('spec') as YAMLMap;
  if (pod.has('terminationGracePeriodSeconds') && program !== undefined)
    pod.set('terminationGracePeriodSeconds', marks.value(`{{ ${values}.terminationGracePeriodSeconds }}`));
  const optional = (from: string, field: string): string =>
    `{{- with ${from} }}\n${field}: {{- toYaml . | nindent %IN2% }}\n{{- end }}\n`;
  marks.lines(
    pod,
    [
      optional('.Values.image.pullSecrets', 'imagePullSecrets'),
      ...['nodeSelector', 'tolerations', 'affinity']
        .filter((field) => !pod.has(field))
        .map((field) => optional(`${values}.${field}`, field)),
      pod.has('priorityClassName')
        ? ''
        : `{{- with ${values}.priorityClassName }}\npriorityClassName: {{ . }}\n{{- end }}\n`,
    ]
      .join('')
      .trimEnd(),
    'containers',
  );
  templateContainer(pod.getIn(['containers', 0]) as YAMLMap, marks, {
    values,
    ...(program === undefined ? {} : { program }),
  });
  const volumes = pod.get('volumes') as YAMLSeq<YAMLMap> | undefined;
  if (volumes === undefined || program === undefined) return;
  for (const volume of volumes.items) {
    if (!volume.hasIn(['secret', 'secretName'])) continue;
    const key = valueKey(String(volume.get('name')));
    volume.setIn(['secret', 'secretName'], marks.value(`{{ ${values}.secrets.${key} }}`));
  }
  marks.item(volumes, `{{- with ${values}.extraVolumes }}\n{{- toYaml . | nindent %IN% }}\n{{- end }}`);
}

function templateContainer(container: YAMLMap, marks: Marks, { values, program }: WorkloadRules): void {
  container.set(
    'image',
    marks.value(
      program === undefined
        ? `{{ ${values}.image }}`
        : `{{ include "muster.image" (dict "root" . "program" "${program}" "image" ${values}.image) }}`,
    ),
  );
  container.set('imagePullPolicy', marks.value('{{ .Values.image.pullPolicy }}'));
  container.set('resources', marks.value(`{{- toYaml ${values}.resources | nindent %IN2% }}`));
  if (program === undefined) return;
  if (container.hasIn(['lifecycle', 'preStop', 'sleep', 'seconds']))
    container.setIn(['lifecycle', 'preStop', 'sleep', 'seconds'], marks.value(`{{ ${values}.preStopSeconds }}`));
  const env = container.get('env') as YAMLSeq<YAMLMap> | undefined;
  if (env !== undefined) {
    env.items = env.items.filter((one) => isFixedVariable(String(one.get('name'))) || one.has('valueFrom'));
    marks.item(
      env,
      [
        `{{- range $name, $value := ${values}.env }}`,
        '- name: {{ $name }}',
        '  value: {{ $value | quote }}',
        '{{- end }}',
        `{{- with ${values}.extraEnv }}`,
        '{{- toYaml . | nindent %IN% }}',
        '{{- end }}',
      ].join('\n'),
    );
  }
  const mounts = container.get('volumeMounts') as YAMLSeq | undefined;
  if (mounts !== undefined)
    marks.item(mounts, `{{- with ${values}.extraVolumeMounts }}\n{{- toYaml . | nindent %IN% }}\n{{- end }}`);
}

/** The name of a document's object. */
export function nameOf(document: Document): string {
  const name = document.getIn(['metadata', 'name'], true);
  return String(name instanceof Scalar ? name.value : name);
}
