import { readFileSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, stringify } from 'yaml';
import type { Manifest } from '../manifests/manifest.js';
import { CLUSTER, render, renderWith } from '../manifests/render.js';
import { templateFile } from './objects.js';
import { COMPONENT_FILES, MONITOR_LABELS, baseRules, natsConfig } from './sources.js';
import { schemaOf } from './schema.js';
import { difference, valuesOf, type Values } from './values.js';
import { valuesText } from './values-text.js';

const OBSERVABILITY = fileURLToPath(new URL('../../../../deploy/observability/', import.meta.url));
const MADE = '# Made by `npm run chart` from the kustomize source; change that.';
const LOAD_BALANCERS = ['aws', 'gcp', 'azure'];

/** Path within `k8s/chart` → text, of all that is made from the kustomize source. */
export async function chartFiles(): Promise<ReadonlyMap<string, string>> {
  const trial = await render('overlays/trial');
  const production = await render('overlays/production');
  const defaults = await defaultValues(trial);
  return new Map([
    ...templates(trial, production),
    ...observability(),
    ['values.yaml', valuesText(defaults, MADE)],
    ['values.schema.json', `${JSON.stringify(schemaOf(defaults), null, 2)}\n`],
    ['values-production.yaml', preset('k8s/overlays/production', valuesBeside(defaults, production))],
    ...(await Promise.all(LOAD_BALANCERS.map((cloud) => loadBalancer(cloud)))),
  ]);
}

/** The values by which the chart makes what `k8s/overlays/trial` has; what it has not is as its component has it. */
export async function defaultValues(trial: readonly Manifest[]): Promise<Values> {
  const components = [...(await renderWith(['keda'])), ...(await render('agents'))];
  const { keda, agent } = valuesOf(components);
  return ordered(withAppVersion(valuesOf(trial, { keda, agent } as Values)));
}

/** What a set of values must say to make these objects, beside the defaults. */
export function valuesBeside(defaults: Values, manifests: readonly Manifest[]): Values {
  const values = valuesOf(manifests, defaults);
  const { tag } = values['image'] as Values;
  return difference(defaults, tag === appVersion() ? withAppVersion(values) : values);
}

function appVersion(): string {
  return (parse(readFileSync(join(CLUSTER, 'chart/Chart.yaml'), 'utf8')) as { appVersion: string }).appVersion;
}

/** The image's tag is the chart's `appVersion`, unless a value says another. */
function withAppVersion(values: Values): Values {
  const image = values['image'] as Values;
  if (image['tag'] !== appVersion())
    throw new Error(`the base has images ${String(image['tag'])}, Chart.yaml says ${appVersion()}`);
  return { ...values, image: { ...image, tag: '' } };
}

function templates(trial: readonly Manifest[], production: readonly Manifest[]): [string, string][] {
  const base = (parse(source('base/kustomization.yaml')) as { resources: string[] }).resources;
  const own = base.map((file): [string, string] => [file, templateFile(source(`base/${file}`), baseRules(file))]);
  const others = Object.entries(COMPONENT_FILES).map(([path, rules]): [string, string] => [
    basename(path),
    templateFile(source(path), rules),
  ]);
  const helper = natsConfig(natsConf(production), natsConf(trial));
  return [...own, ...others, ['rules.yaml', RULES], ['dashboards.yaml', DASHBOARDS], ['_nats.tpl', helper]].map(
    ([file, text]) => [`templates/${file}`, `${note(file ?? '')}${text}`],
  );
}

/** A comment of Helm's: it is not in what is rendered. */
function note(file: string): string {
  const from = file.endsWith('.tpl') ? '' : '\n';
  const source = file === 'agent.yaml' ? 'k8s/agents; change that' : 'k8s/base and k8s/components; change those';
  return `{{- /* Made by \`npm run chart\` from ${source}. */ -}}${from}`;
}

function natsConf(manifests: readonly Manifest[]): string {
  const found = manifests.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'muster-nats');
  return found?.data?.['nats.conf'] ?? '';
}

function source(path: string): string {
  return readFileSync(join(CLUSTER, path), 'utf8');
}

/** Rules and dashboards are files: they have braces of their own. */
function observability(): [string, string][] {
  const copies = (from: string, to: string): [string, string][] =>
    readdirSync(join(OBSERVABILITY, from)).map((file) => [
      `files/${to}/${file}`,
      readFileSync(join(OBSERVABILITY, from, file), 'utf8'),
    ]);
  return [...copies('prometheus/rules', 'rules'), ...copies('grafana/dashboards', 'dashboards')];
}

async function loadBalancer(cloud: string): Promise<[string, string]> {
  const manifests = await renderWith([`load-balancer-${cloud}`]);
  const service = manifests.find(({ kind, metadata }) => kind === 'Service' && metadata.name === 'muster-gateway') as
    (Manifest & { metadata: { annotations: Values } }) | undefined;
  const values = { gateway: { service: { annotations: service?.metadata.annotations ?? {} } } };
  return [`values-${cloud}.yaml`, preset(`k8s/components/load-balancer-${cloud}`, values)];
}

function preset(path: string, values: Values): string {
  return `${MADE}\n# What ${path} has beside the defaults.\n${stringify(values, { lineWidth: 0, singleQuote: true })}`;
}

const FIRST = [
  'image',
  'org',
  'gateway',
  'query',
  'command',
  'telemetry',
  'posture',
  'api',
  'brokers',
  'nats',
  'redis',
];

function ordered(values: Values): Values {
  const rest = Object.keys(values).filter((key) => !FIRST.includes(key));
  return Object.fromEntries([...FIRST, ...rest].map((key) => [key, values[key]]));
}

const LABELS = `    {{- include "muster.componentLabels" $ | nindent 4 }}`;
const MONITORS = MONITOR_LABELS.replaceAll('%IN%', '4')
  .split('\n')
  .map((line) => `    ${line}`)
  .join('\n');

const RULES = `{{- if .Values.prometheusOperator.enabled }}
{{- range $path, $_ := .Files.Glob "files/rules/*.yaml" }}
---
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: muster-{{ base $path | trimSuffix ".yaml" }}
  namespace: {{ $.Release.Namespace }}
  labels:
${LABELS}
${MONITORS}
  {{- with $.Values.commonAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- $.Files.Get $path | nindent 2 }}
{{- end }}
{{- end }}
`;

const DASHBOARDS = `{{- if .Values.grafana.enabled }}
{{- range $path, $_ := .Files.Glob "files/dashboards/*.json" }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: muster-dashboard-{{ base $path | trimSuffix ".json" }}
  namespace: {{ $.Release.Namespace }}
  labels:
    grafana_dashboard: '1'
${LABELS}
  annotations:
    grafana_folder: {{ $.Values.grafana.folder | quote }}
    {{- with $.Values.commonAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
data:
  {{ base $path }}: {{ $.Files.Get $path | quote }}
{{- end }}
{{- end }}
`;
