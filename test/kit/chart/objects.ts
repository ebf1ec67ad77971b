import { Scalar, YAMLMap, YAMLSeq, parseAllDocuments, type Document } from 'yaml';
import { Marks } from './marks.js';
import { nameOf, templateWorkload, valueKey } from './workloads.js';

/** How the objects of one file of the source become templates. */
export interface FileRules {
  /** Labels of each object: `muster.labels` has `part-of`, which kustomize gives to the base alone. */
  readonly labels: 'muster.labels' | 'muster.componentLabels';
  /** The whole file is there only if this holds. */
  readonly when?: string;
  /** Values by object name, for programs that are not ours. */
  readonly foreign?: Readonly<Record<string, string>>;
  /** What this file needs beside the rules for all. */
  readonly also?: (document: Document, marks: Marks) => void;
}

const WORKLOADS = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job'];
const CLUSTER_WIDE = ['Namespace'];

/** The template of one file of `k8s/base` or of a component. */
export function templateFile(text: string, rules: FileRules): string {
  // Kubernetes reads YAML 1.1, where 0440 is octal.
  const documents = parseAllDocuments(text, { version: '1.1' }) as Document.Parsed[];
  for (const document of documents) {
    const fault = document.errors[0];
    if (fault !== undefined) throw new Error(`no YAML: ${fault.message}`);
  }
  const autoscaled = new Set(
    documents.filter((one) => one.get('kind') === 'HorizontalPodAutoscaler').map((one) => nameOf(one)),
  );
  const texts = documents.map((document) => templateObject(document, rules, autoscaled));
  const body = texts.join('---\n');
  return rules.when === undefined ? body : `{{- if ${rules.when} }}\n${body}{{- end }}\n`;
}

function templateObject(document: Document, rules: FileRules, autoscaled: ReadonlySet<string>): string {
  const marks = new Marks();
  const kind = String(document.get('kind'));
  const name = nameOf(document);
  const program = name.replace(/^muster-/, '');
  const values = rules.foreign?.[name] ?? `.Values.${valueKey(program)}`;
  document.directives = undefined as never;
  templateMetadata(document, marks, rules.labels, annotationsOf(kind, program));
  let when: string | undefined;
  if (WORKLOADS.includes(kind)) {
    const ours = rules.foreign?.[name] === undefined;
    templateWorkload(document, marks, {
      values,
      autoscaled: autoscaled.has(name),
      ...(ours ? { program } : {}),
      ...(rules.labels === 'muster.labels' ? { labels: rules.labels } : {}),
    });
  }
  if (kind === 'HorizontalPodAutoscaler') {
    when = templateAutoscaler(document, marks, values);
    if (['gateway', 'query', 'command'].includes(program)) when = `and ${when} (not .Values.keda.enabled)`;
  }
  if (kind === 'Service' && ['gateway', 'api'].includes(program)) templateEdge(document, marks, values);
  rules.also?.(document, marks);
  const text = marks.text(document);
  return when === undefined ? text : `{{- if ${when} }}\n${text}{{- end }}\n`;
}

function annotationsOf(kind: string, program: string): string {
  return kind === 'Service' && ['gateway', 'api'].includes(program)
    ? `merge (dict) .Values.${program}.service.annotations .Values.commonAnnotations`
    : '.Values.commonAnnotations';
}

function templateMetadata(document: Document, marks: Marks, labels: string, annotations: string): void {
  const metadata = document.get('metadata') as YAMLMap;
  const kind = String(document.get('kind'));
  if (!CLUSTER_WIDE.includes(kind)) {
    const given = metadata.has('namespace') ? '.Values.agent.namespace' : '.Release.Namespace';
    metadata.set('namespace', marks.value(`{{ ${given} }}`));
  }
  if (!metadata.has('labels')) metadata.set('labels', new YAMLMap());
  marks.lines(metadata.get('labels') as YAMLMap, `{{- include "${labels}" . | nindent %IN% }}`);
  marks.lines(metadata, `{{- with ${annotations} }}\nannotations: {{- toYaml . | nindent %IN2% }}\n{{- end }}`);
}

function templateAutoscaler(document: Document, marks: Marks, values: string): string {
  document.setIn(['spec', 'minReplicas'], marks.value(`{{ ${values}.autoscaling.minReplicas }}`));
  document.setIn(['spec', 'maxReplicas'], marks.value(`{{ ${values}.autoscaling.maxReplicas }}`));
  document.setIn(
    ['spec', 'metrics', 0, 'resource', 'target', 'averageUtilization'],
    marks.value(`{{ ${values}.autoscaling.targetCPUUtilizationPercentage }}`),
  );
  return `${values}.autoscaling.enabled`;
}

/** The Services that people and agents come to. */
function templateEdge(document: Document, marks: Marks, values: string): void {
  const spec = document.get('spec') as YAMLMap;
  spec.delete('type');
  spec.delete('externalTrafficPolicy');
  const first = String(spec.items[0]?.key);
  marks.lines(
    spec,
    [
      `type: {{ ${values}.service.type }}`,
      `{{- if ne ${values}.service.type "ClusterIP" }}`,
      `{{- with ${values}.service.externalTrafficPolicy }}`,
      '# With Local the address of an agent stays what it is, for the limits by address.',
      'externalTrafficPolicy: {{ . }}',
      '{{- end }}',
      `{{- with ${values}.service.loadBalancerSourceRanges }}`,
      'loadBalancerSourceRanges: {{- toYaml . | nindent %IN2% }}',
      '{{- end }}',
      '{{- end }}',
    ].join('\n'),
    first,
  );
}

/** Replaces a list by the items of a list among the values. */
export function listOf(marks: Marks, list: YAMLSeq, code: string): void {
  list.items = [];
  marks.item(list, code);
}

/** Changes each text below a node. */
export function mapTexts(node: unknown, change: (text: string) => string): void {
  if (node instanceof Scalar && typeof node.value === 'string') node.value = change(node.value);
  if (node instanceof YAMLSeq) for (const item of node.items) mapTexts(item, change);
  if (node instanceof YAMLMap) for (const { value } of node.items) mapTexts(value, change);
}
