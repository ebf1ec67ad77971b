import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { chartFiles, defaultValues, valuesBeside } from '../kit/chart/files.js';
import { merge, type Values } from '../kit/chart/values.js';
import { workloads, type Manifest } from '../kit/manifests/manifest.js';
import { CLUSTER, helm, parseManifests, render, renderWith } from '../kit/manifests/render.js';
import { runCommand, type Ran } from '../kit/manifests/run-command.js';

const CHART = join(CLUSTER, 'chart');
const COMPONENTS = readdirSync(join(CLUSTER, 'components'));
/** What Helm's users expect, and kustomize's do not have. */
const HELM_LABELS = ['helm.sh/chart', 'app.kubernetes.io/managed-by', 'app.kubernetes.io/instance'];

let program: string;
let folder: string;
let defaults: Values;

beforeAll(async () => {
  program = await helm();
  folder = mkdtempSync(join(tmpdir(), 'muster-chart-'));
  defaults = await defaultValues(await render('overlays/trial'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function template(...args: readonly string[]): Promise<Ran> {
  return runCommand(program, ['template', 'trial', CHART, '--namespace', 'muster', ...args]);
}

/** The objects that the chart makes with these values, or with a file of the chart. */
async function charted(values: Values | string): Promise<Manifest[]> {
  const file = typeof values === 'string' ? join(CHART, values) : join(folder, 'values.yaml');
  if (typeof values !== 'string') writeFileSync(file, stringify(values));
  const { code, stdout, stderr } = await template('-f', file);
  if (code !== 0) throw new Error(stderr);
  return parseManifests(stdout).filter((one) => one !== null);
}

/** Objects by kind and name, without what Helm alone adds. The namespace of all is not written where kustomize leaves it to kubectl. */
function compared(manifests: readonly Manifest[]): Record<string, unknown> {
  const entries = manifests.map((manifest): [string, unknown] => {
    const { kind, metadata } = manifest;
    const object = structuredClone(manifest) as unknown as { metadata: Record<string, unknown> };
    if (object.metadata['namespace'] === 'muster') delete object.metadata['namespace'];
    const labels = Object.entries(metadata.labels ?? {}).filter(([name]) => !HELM_LABELS.includes(name));
    object.metadata['labels'] = Object.fromEntries(labels);
    // The chart says what is a cluster's default.
    const { spec } = object as unknown as Manifest & { spec?: Record<string, unknown> };
    if (kind === 'Service' && spec?.['type'] === 'ClusterIP') delete (spec as Record<string, unknown>)['type'];
    for (const workload of workloads([object as unknown as Manifest])) {
      const { metadata: pod, spec } = workload.spec.template as unknown as {
        metadata: { annotations?: Record<string, string> };
        spec: { containers: { env?: { name: string }[] }[] };
      };
      delete pod.annotations?.['checksum/settings'];
      if (Object.keys(pod.annotations ?? {}).length === 0) delete pod.annotations;
      for (const { env } of spec.containers) env?.sort((a, b) => a.name.localeCompare(b.name));
    }
    return [`${kind} ${metadata.name}`, object];
  });
  expect(new Set(entries.map(([name]) => name)).size).toBe(entries.length);
  return Object.fromEntries(entries.sort(([a], [b]) => a.localeCompare(b)));
}

const withNamespace = (values: Values): Values => merge(values, { namespace: { create: true } });

test('what is made from the kustomize source is up to date: `npm run chart`', async () => {
  const made = await chartFiles();
  for (const [path, text] of made)
    expect({ path, text: readFileSync(join(CHART, path), 'utf8') }).toEqual({ path, text });
  const there = ['templates', 'files/rules', 'files/dashboards'].flatMap((sub) =>
    readdirSync(join(CHART, sub)).map((file) => `${sub}/${file}`),
  );
  const byHand = ['templates/_helpers.tpl', 'templates/NOTES.txt'];
  expect(there.filter((path) => !made.has(path)).sort()).toEqual(byHand.sort());
});

test('the default values make the objects of the overlay trial, but for the namespace', async () => {
  const expected = (await render('overlays/trial')).filter(({ kind }) => kind !== 'Namespace');
  expect(compared(await charted({}))).toEqual(compared(expected));
});

test.each(['production', 'ci'])('the values of %s make the objects of that overlay', async (overlay) => {
  const expected = await render(`overlays/${overlay}`);
  const values = withNamespace(valuesBeside(defaults, expected));
  expect(compared(await charted(values))).toEqual(compared(expected));
});

test('values-production.yaml makes the objects of the overlay production, but for the namespace', async () => {
  const expected = (await render('overlays/production')).filter(({ kind }) => kind !== 'Namespace');
  expect(compared(await charted('values-production.yaml'))).toEqual(compared(expected));
});

test.each([...COMPONENTS, 'agents'])('%s beside the base is a set of values', async (component) => {
  const expected = await (component === 'agents' ? withAgents() : renderWith([component]));
  const values = withNamespace(valuesBeside(defaults, expected));
  expect(compared(await charted(values))).toEqual(compared(expected));
});

async function withAgents(): Promise<Manifest[]> {
  return [...(await render('base')), ...(await render('agents'))];
}

test.each(['aws', 'gcp', 'azure'])('values-%s.yaml has the annotations of its component', async (cloud) => {
  const service = (all: readonly Manifest[]): unknown =>
    all.find(({ kind, metadata }) => kind === 'Service' && metadata.name === 'muster-gateway')?.metadata;
  const expected = service(await renderWith([`load-balancer-${cloud}`]));
  expect(service(await charted(`values-${cloud}.yaml`))).toMatchObject({
    annotations: (expected as { annotations: object }).annotations,
  });
});

test('helm lint --strict finds nothing, with each set of values', async () => {
  for (const file of ['values.yaml', ...readdirSync(CHART).filter((name) => /^values-.*\.yaml$/.test(name))]) {
    const { code, stdout, stderr } = await runCommand(program, ['lint', '--strict', CHART, '-f', join(CHART, file)]);
    expect({ file, code, out: stdout + stderr }).toMatchObject({
      code: 0,
      out: expect.stringContaining('0 chart(s) failed'),
    });
  }
});

describe('what installations set', () => {
  test('registry, tag, digest and pull secrets of images', async () => {
    const all = await charted({
      image: { registry: 'registry.example.com/team', tag: '1.2.3', pullSecrets: [{ name: 'pull' }] },
      api: { image: 'other.example.com/api@sha256:0000' },
    });
    const pods = Object.fromEntries(workloads(all).map(({ metadata, spec }) => [metadata.name, spec.template.spec]));
    expect(pods['muster-query']?.containers[0]?.image).toBe('registry.example.com/team/muster/query:1.2.3');
    expect(pods['muster-api']?.containers[0]?.image).toBe('other.example.com/api@sha256:0000');
    for (const pod of Object.values(pods)) expect(pod).toMatchObject({ imagePullSecrets: [{ name: 'pull' }] });
  });

  test('labels and annotations of all objects and pods, and selectors that stay', async () => {
    const all = await charted({
      commonLabels: { team: 'edge' },
      commonAnnotations: { owner: 'platform' },
      gateway: { podLabels: { tier: 'edge' }, podAnnotations: { note: 'x' } },
    });
    for (const { metadata } of all)
      expect(metadata).toMatchObject({ labels: { team: 'edge' }, annotations: { owner: 'platform' } });
    const gateway = workloads(all).find(({ metadata }) => metadata.name === 'muster-gateway')!;
    expect(gateway.spec.template.metadata).toMatchObject({
      labels: { team: 'edge', tier: 'edge' },
      annotations: { note: 'x' },
    });
    expect(gateway.spec.selector.matchLabels).toEqual({ 'app.kubernetes.io/name': 'muster-gateway' });
  });

  test('replicas without an autoscaler, resources, placement and settings of one service', async () => {
    const all = await charted({
      query: {
        autoscaling: { enabled: false },
        replicas: 4,
        resources: { limits: { memory: '4Gi' } },
        nodeSelector: { disk: 'ssd' },
        tolerations: [{ operator: 'Exists' }],
        env: { MUSTER_QUERY_DRAIN: '20s', MUSTER_LOG_LEVEL: 'debug' },
        secrets: { brokers: 'vault-query' },
      },
    });
    expect(
      all.some(({ kind, metadata }) => kind === 'HorizontalPodAutoscaler' && metadata.name === 'muster-query'),
    ).toBe(false);
    const { spec } = workloads(all).find(({ metadata }) => metadata.name === 'muster-query')!;
    expect(spec).toMatchObject({
      replicas: 4,
      template: { spec: { nodeSelector: { disk: 'ssd' }, tolerations: [{ operator: 'Exists' }] } },
    });
    const [container] = spec.template.spec.containers;
    expect(container).toMatchObject({ resources: { limits: { memory: '4Gi' } } });
    expect(container?.env).toEqual(
      expect.arrayContaining([
        { name: 'MUSTER_QUERY_DRAIN', value: '20s' },
        { name: 'MUSTER_LOG_LEVEL', value: 'debug' },
      ]),
    );
    expect(spec.template.spec.volumes).toContainEqual(
      expect.objectContaining({ secret: expect.objectContaining({ secretName: 'vault-query' }) }),
    );
  });

  test('brokers elsewhere, host names and another namespace', async () => {
    const values: Values = {
      brokers: { natsUrl: 'tls://nats.example.org:4222', redisUrl: 'rediss://redis.example.org:6379' },
      nats: { enabled: false },
      redis: { enabled: false },
      externalBrokers: { enabled: true, cidrs: ['192.0.2.0/24', '198.51.100.0/24'], ports: [4222] },
      gatewayApi: { enabled: true },
      certManager: { enabled: true, issuer: { kind: 'Issuer', name: 'corporate' } },
      keda: { enabled: true },
      gateway: { hostname: 'agents.example.org', service: { type: 'ClusterIP' } },
    };
    writeFileSync(join(folder, 'elsewhere.yaml'), stringify(values));
    const { stdout, stderr } = await template('-f', join(folder, 'elsewhere.yaml'), '--namespace', 'fleet');
    expect(stderr).toBe('');
    const all = parseManifests(stdout);
    const one = (kind: string, name: string): Manifest | undefined =>
      all.find((object) => object.kind === kind && object.metadata.name === name);
    expect(new Set(all.map(({ metadata }) => metadata.namespace))).toEqual(new Set(['fleet']));
    expect(one('StatefulSet', 'muster-nats') ?? one('Deployment', 'muster-redis')).toBeUndefined();
    expect(one('ConfigMap', 'muster-common')?.data).toMatchObject({ MUSTER_NATS_URL: 'tls://nats.example.org:4222' });
    expect(JSON.stringify(one('NetworkPolicy', 'muster-external-brokers'))).toContain('198.51.100.0/24');
    expect(one('TLSRoute', 'muster-gateway')?.spec).toMatchObject({ hostnames: ['agents.example.org'] });
    expect(one('Certificate', 'muster-gateway')?.spec).toMatchObject({
      dnsNames: ['agents.example.org', 'muster-gateway.fleet.svc'],
      issuerRef: { kind: 'Issuer', name: 'corporate' },
    });
    expect(JSON.stringify(one('ScaledObject', 'muster-gateway'))).toContain('namespace=\\"fleet\\"');
    expect(one('HorizontalPodAutoscaler', 'muster-gateway')).toBeUndefined();
  });

  test('pods are replaced when settings change, and not when policies do', async () => {
    const checksum = async (values: Values): Promise<unknown> =>
      JSON.stringify(
        workloads(await charted(values)).map(
          ({ spec }) => (spec.template.metadata as { annotations?: object }).annotations,
        ),
      );
    const plain = await checksum({});
    expect(await checksum({ settings: { MUSTER_LOG_LEVEL: 'debug' } })).not.toBe(plain);
    expect(await checksum({ policies: { 'mode-policy.json': '{ "rules": [] } ' } })).toBe(plain);
  });
});

test('the notes name three commands to try, in the namespace and with the Secret of this release', async () => {
  const args = ['install', 'trial', CHART, '--namespace', 'fleet', '--dry-run=client'];
  const { code, stdout } = await runCommand(program, [...args, '--set', 'api.secrets.operator=first-token']);
  expect(code).toBe(0);
  const notes = stdout.slice(stdout.indexOf('NOTES:'));
  expect(notes.match(/^ {2}\d\. \S+/gm)).toEqual(['  1. kubectl', '  2. kubectl', '  3. npx']);
  expect(notes).toContain('kubectl -n fleet get secret first-token');
});

test.each([
  ['gateway.replica=3', 'replica'],
  ['gateway.autoscaling.minReplicas=0', 'minReplicas'],
  ['image.pullPolicy=Sometimes', 'pullPolicy'],
  ['brokers.natsUrl=nats.example.com', 'natsUrl'],
  ['gateway.service.type=Loadbalancer', 'type'],
  ['settings.lower=1', 'lower'],
])('the schema refuses %s', async (set, named) => {
  const { code, stderr } = await template('--set', set);
  expect({ code, stderr }).toMatchObject({ code: 1, stderr: expect.stringContaining(named) });
});

test('the schema takes each set of values that the chart has, and its version is that of the images', async () => {
  for (const file of readdirSync(CHART).filter((name) => /^values-.*\.yaml$/.test(name)))
    expect(await template('-f', join(CHART, file))).toMatchObject({ code: 0 });
  const { appVersion } = parse(readFileSync(join(CHART, 'Chart.yaml'), 'utf8')) as { appVersion: string };
  const { version } = JSON.parse(readFileSync(join(CLUSTER, '../package.json'), 'utf8')) as { version: string };
  expect(appVersion).toBe(version);
});
