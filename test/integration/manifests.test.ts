import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ensureInstallation, type SecretTexts } from '@muster/local/secrets';
import { BROKER_RIGHTS, brokerPermissions, type BrokerUser } from '@muster/messages';
import type { ConfigResult, Env } from '@muster/runtime';
import { environment, workloads, type Container, type Manifest, type Workload } from '../kit/manifests/manifest.js';
import { CLUSTER, render, renderOverlayWith, renderWith } from '../kit/manifests/render.js';
import { schemaFaults, unknownFields } from '../kit/manifests/schemas.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const SERVICES = ['gateway', 'query', 'command', 'telemetry', 'posture', 'api'];
const OVERLAYS = ['trial', 'production', 'ci'];
/** Each component on the base, so that also those are rendered that no overlay has. */
const COMPONENTS = readdirSync(join(CLUSTER, 'components'));

const rendered = new Map<string, Manifest[]>();
let folder: string;
let secrets: SecretTexts;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'muster-manifests-'));
  secrets = await ensureInstallation({ folder: join(folder, 'secrets'), org: 'default', names: ['localhost'] });
  rendered.set('base', await render('base'));
  for (const overlay of OVERLAYS) rendered.set(overlay, await render(`overlays/${overlay}`));
  rendered.set('agents', await render('agents'));
  for (const component of COMPONENTS) rendered.set(component, await renderWith([component]));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const VARIANTS = ['base', ...OVERLAYS, 'agents', ...COMPONENTS];
const of = (variant: string): Manifest[] => rendered.get(variant)!;
const serviceOf = (variant: string, name: string): Workload =>
  workloads(of(variant)).find(({ metadata }) => metadata.name === `muster-${name}`)!;
const only = (workload: Workload): Container => workload.spec.template.spec.containers[0]!;
const ms = (text = ''): number => Number.parseFloat(text) * 1_000;

test('the users of NATS are those of services, each with the rights of its service alone', () => {
  const text = secrets['muster-nats-users']?.['users.conf'] ?? '';
  const { users } = JSON.parse(text.replace('authorization: ', '')) as {
    users: { user: BrokerUser; password: string; permissions: object }[];
  };
  expect(users.map(({ user }) => user)).toEqual(Object.keys(BROKER_RIGHTS));
  for (const { user, password, permissions } of users) {
    const { publish, subscribe } = brokerPermissions(user);
    expect(permissions).toEqual({ publish: { allow: publish }, subscribe: { allow: subscribe } });
    expect(secrets[`muster-${user}-brokers`]?.['nats-password']).toBe(password);
  }
});

describe.each(VARIANTS)('%s', (variant) => {
  test('has what the schemas of Kubernetes and of the custom resources want', async () => {
    const faults: string[] = [];
    // One after the other: Jest loads no module twice at the same time.
    for (const manifest of of(variant)) faults.push(...(await schemaFaults(manifest)));
    expect(faults).toEqual([]);
  });

  test('names only ConfigMaps, Secrets, volumes, ports and accounts that are there', () => {
    const all = of(variant);
    const has = (kind: string, name: string | undefined): boolean =>
      all.some((one) => one.kind === kind && one.metadata.name === name);
    for (const workload of workloads(all)) {
      const { containers, volumes = [], serviceAccountName } = workload.spec.template.spec;
      expect({ serviceAccountName, there: has('ServiceAccount', serviceAccountName) }).toMatchObject({ there: true });
      for (const { secret, configMap } of volumes) {
        if (secret !== undefined) expect(Object.keys(secrets)).toContain(secret.secretName);
        if (configMap !== undefined) expect(has('ConfigMap', configMap.name)).toBe(true);
      }
      const claims = workload.spec.volumeClaimTemplates?.map(({ metadata }) => metadata.name) ?? [];
      const names = [...volumes.map(({ name }) => name), ...claims];
      for (const container of containers) {
        environment(container, all);
        expect(names).toEqual(expect.arrayContaining(container.volumeMounts?.map(({ name }) => name) ?? []));
        const ports = container.ports?.map(({ name }) => name) ?? [];
        for (const probe of [container.startupProbe, container.livenessProbe, container.readinessProbe]) {
          if (probe?.httpGet !== undefined) expect(ports).toContain(probe.httpGet.port);
        }
      }
    }
  });

  test('every Service and policy selects pods that are there, and a port that they have', () => {
    const templates = workloads(of(variant)).map(({ spec }) => spec.template);
    const services = of(variant).filter(({ kind }) => kind === 'Service');
    if (variant !== 'agents') expect(services.length).toBeGreaterThan(0);
    for (const { spec } of services) {
      const { selector, ports } = spec as { selector: Record<string, string>; ports: { targetPort: string }[] };
      const selected = templates.filter(({ metadata: { labels } }) =>
        Object.entries(selector).every(([key, value]) => labels[key] === value),
      );
      expect(selected).toHaveLength(1);
      const offered = selected[0]!.spec.containers.flatMap(
        (container) => container.ports?.map(({ name }) => name) ?? [],
      );
      expect(offered).toEqual(expect.arrayContaining(ports.map(({ targetPort }) => targetPort)));
    }
  });

  test('its images are ours by name, and each has a fixed tag', () => {
    const dockerfile = readFileSync(join(ROOT, 'deploy/images/Dockerfile'), 'utf8');
    for (const { image } of workloads(of(variant)).flatMap(({ spec }) => spec.template.spec.containers)) {
      const program = /(?:^|\/)muster\/([a-z]+)(?::|$)/.exec(image)?.[1];
      if (program !== undefined) expect(dockerfile).toContain(`FROM program AS ${program}\n`);
      expect(image).toMatch(/:[\w.-]+$/);
      expect(image).not.toMatch(/:latest$/);
    }
  });
});

/** As an installation makes one: with what it chooses of `components/`. */
describe.each(['trial', 'production'])('a copy of the overlay %s', (overlay) => {
  test.each(COMPONENTS)('takes the component %s', async (component) => {
    const all = await renderOverlayWith(overlay, component);
    const names = all.map(({ kind, metadata: { namespace, name } }) => `${kind} ${namespace} ${name}`);
    expect(new Set(names).size).toBe(names.length);
    expect(new Set(all.flatMap(({ metadata: { namespace } }) => namespace ?? []))).toEqual(new Set(['muster']));
    const has = (kind: string, name: string): boolean =>
      all.some((one) => one.kind === kind && one.metadata.name === name);
    for (const name of ['gateway', 'query', 'command', 'api'].map((service) => `muster-${service}`)) {
      const scaled = ['HorizontalPodAutoscaler', 'ScaledObject'].filter((kind) => has(kind, name));
      expect({ name, scaled }).toMatchObject({ scaled: [expect.anything()] });
    }
    const replicas = overlay === 'trial' ? 1 : 3;
    for (const { kind, metadata, spec = {} } of all) {
      const least = spec['minReplicas'] ?? spec['minReplicaCount'];
      if (least !== undefined) expect({ kind, name: metadata.name, least }).toMatchObject({ least: replicas });
    }
    // Of brokers elsewhere nobody knows here how much they may store.
    for (const workload of workloads(all).filter(({ metadata: { name } }) => SERVICES.includes(name.slice(7)))) {
      const { MUSTER_STORAGE_LIMIT: limit } = environment(only(workload), all);
      expect({ name: workload.metadata.name, isTold: limit !== undefined }).toMatchObject({
        isTold: component !== 'external-brokers',
      });
    }
  });
});

test('no object has a field that its type does not know', async () => {
  const distinct = new Map([...rendered.values()].flat().map((manifest) => [JSON.stringify(manifest), manifest]));
  expect(await unknownFields([...distinct.values()])).toEqual([]);
  // Neither may the check be blind.
  const [first] = workloads(of('base'));
  const wrong = JSON.parse(JSON.stringify(first).replace('"image":', '"imagee":"x","image":')) as Manifest;
  expect(await unknownFields([wrong])).toEqual([expect.stringContaining('imagee')]);
});

describe.each(SERVICES)('muster-%s', (name) => {
  test.each(['base', ...OVERLAYS])('%s gives it a configuration that its code takes', async (variant) => {
    const config = `${ROOT}services/${name}/dist/config.js`;
    const loaders = (await import(pathToFileURL(config).href)) as Record<string, (env: Env) => ConfigResult<object>>;
    const load = Object.entries(loaders).find(([key]) => key.startsWith('load'))![1];
    const workload = serviceOf(variant, name);
    const result = load(withFiles(workload, environment(only(workload), of(variant))));
    expect(result).toMatchObject({ ok: true, warnings: [] });
  });

  test.each(['base', ...OVERLAYS])('%s: its ports are those that its code listens on', (variant) => {
    const ports = Object.fromEntries(
      only(serviceOf(variant, name)).ports!.map((port) => [port.name, port.containerPort]),
    );
    const environmentOf = environment(only(serviceOf(variant, name)), of(variant));
    expect(ports['metrics']).toBe(Number(environmentOf['MUSTER_HEALTH_PORT']));
    const config = readFileSync(join(ROOT, `services/${name}/src/config.ts`), 'utf8');
    const own = /field\.port\('\w+', \{ default: (\d+) \}\)/.exec(config)?.[1];
    expect(ports).toEqual({
      metrics: 9090,
      ...(own === undefined ? {} : { [name === 'api' ? 'https' : 'agents']: Number(own) }),
    });
  });

  test.each(['base', ...OVERLAYS])('%s: the grace period covers preStop, waits and drain', (variant) => {
    const workload = serviceOf(variant, name);
    const env = environment(only(workload), of(variant));
    const preStop = (only(workload).lifecycle?.preStop?.sleep?.seconds ?? 0) * 1_000;
    const stop = ms(env['MUSTER_STOP_TIMEOUT']);
    const drain =
      ms(env['MUSTER_UNREADY_WAIT'] ?? '0') +
      ms(env['MUSTER_GATEWAY_DRAIN_SPREAD'] ?? '0') +
      ms(env['MUSTER_GATEWAY_DRAIN_GRACE'] ?? '0') +
      ms(env['MUSTER_QUERY_DRAIN'] ?? '0');
    expect(stop).toBeGreaterThanOrEqual(drain + 5_000);
    expect(workload.spec.template.spec.terminationGracePeriodSeconds! * 1_000).toBeGreaterThanOrEqual(
      preStop + stop + 5_000,
    );
  });

  test('it lives whatever brokers do, and is as little as it can be', () => {
    const { spec } = serviceOf('base', name).spec.template;
    const container = only(serviceOf('base', name));
    expect(container.livenessProbe?.httpGet?.path).toBe('/healthz');
    expect(container.startupProbe?.httpGet?.path).toBe('/healthz');
    expect(container.readinessProbe?.httpGet?.path).toBe('/readyz');
    expect(spec).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
    expect(container.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(container.resources).toMatchObject({ requests: expect.anything(), limits: expect.anything() });
  });

  test('it has a budget, a policy that denies the rest, and no number of replicas where an autoscaler owns it', () => {
    const named = (kind: string): boolean =>
      of('base').some((one) => one.kind === kind && one.metadata.name === `muster-${name}`);
    expect(named('PodDisruptionBudget')).toBe(true);
    expect(named('HorizontalPodAutoscaler')).toBe(serviceOf('base', name).spec.replicas === undefined);
    expect(serviceOf('base', name).spec.template.metadata.labels['app.kubernetes.io/part-of']).toBe('muster');
    expect(of('base').find(({ metadata }) => metadata.name === 'muster-default-deny')?.spec).toEqual({
      podSelector: { matchLabels: { 'app.kubernetes.io/part-of': 'muster' } },
      policyTypes: ['Ingress', 'Egress'],
    });
  });
});

test('no manifest holds a secret, and every Secret that is named is one that `npm run secrets` makes', () => {
  for (const variant of VARIANTS) {
    expect(of(variant).filter(({ kind }) => kind === 'Secret')).toEqual([]);
    const text = JSON.stringify(of(variant));
    for (const [name, texts] of Object.entries(secrets)) {
      if (name === 'muster-command-roots' || name === 'muster-gateway-ca') continue;
      for (const secret of Object.values(texts)) expect(text).not.toContain(secret.slice(0, 40));
    }
  }
});

test('results, and the idempotency records, fit the store of each NATS server, and services are told how much it may store', () => {
  for (const variant of ['trial', 'production', 'ci']) {
    const config = of(variant).find(
      ({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === 'muster-nats',
    )!.data!;
    const [, storeText] = /max_file_store: (\d+)GB/.exec(config['nats.conf']!)!;
    const store = Number(storeText) * 1e9;
    const env = environment(only(serviceOf(variant, 'query')), of(variant));
    const bytes = (text = ''): number =>
      Number.parseInt(text, 10) * ({ GiB: 2 ** 30, MiB: 2 ** 20 }[text.replace(/\d+/, '')] ?? Number.NaN);
    const reserved = bytes(env['MUSTER_STREAM_RESULTS_BYTES']) + bytes(env['MUSTER_STREAM_IDEMPOTENCY_BYTES']);
    expect(store).toBeGreaterThan(1.2 * reserved);
    // GB of NATS are powers of two.
    for (const service of ['gateway', 'query', 'command', 'telemetry', 'posture', 'api'])
      expect(environment(only(serviceOf(variant, service)), of(variant))['MUSTER_STORAGE_LIMIT']).toBe(
        `${storeText}GiB`,
      );
  }
});

test('the services of deploy/compose are told how much each NATS server may store', () => {
  const text = (name: string): string => readFileSync(`${ROOT}deploy/compose/${name}`, 'utf8');
  const [, store] = /max_file_store: (\d+)GB/.exec(text('nats.conf'))!;
  expect(/^  MUSTER_STORAGE_LIMIT: (\S+)$/m.exec(text('compose.yaml'))?.[1]).toBe(`${store}GiB`);
});

test('the agent of the cluster’s nodes takes its settings, and may read but not act', async () => {
  const all = of('agents');
  expect(new Set(all.filter(({ kind }) => kind !== 'Namespace').map(({ metadata }) => metadata.namespace))).toEqual(
    new Set(['muster-agents']),
  );
  const agent = workloads(all).find(({ kind }) => kind === 'DaemonSet')!;
  const { loadAgentConfig } = (await import(pathToFileURL(`${ROOT}services/agent/dist/config.js`).href)) as {
    loadAgentConfig: (env: Env) => ConfigResult<{ actions: readonly string[] }>;
  };
  const result = loadAgentConfig(withFiles(agent, environment(only(agent), all)));
  expect(result).toMatchObject({ ok: true, warnings: [], config: { actions: ['none'] } });
  expect(only(agent).securityContext).toMatchObject({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'], add: ['DAC_READ_SEARCH', 'SYS_PTRACE'] },
  });
});

test('dashboards and rules of the cluster are those that deploy/observability makes, all of them', () => {
  const production = of('production');
  const dashboards = readdirSync(join(ROOT, 'deploy/observability/grafana/dashboards'));
  const maps = production.filter(({ metadata }) => metadata.labels?.['grafana_dashboard'] === '1');
  expect(maps.flatMap(({ data }) => Object.keys(data!)).sort()).toEqual(dashboards.sort());
  for (const file of dashboards) {
    const text = readFileSync(join(ROOT, 'deploy/observability/grafana/dashboards', file), 'utf8');
    expect(maps.find(({ data }) => file in data!)!.data![file]).toBe(text);
  }
  const rules = readdirSync(join(ROOT, 'deploy/observability/prometheus/rules')).map(
    (file) => `muster-${file.replace('.yaml', '')}`,
  );
  expect(
    production
      .filter(({ kind }) => kind === 'PrometheusRule')
      .map(({ metadata }) => metadata.name)
      .sort(),
  ).toEqual(rules.sort());
});

/** The variables, with paths of mounted Secrets and ConfigMaps changed to files that have the same texts. */
function withFiles(workload: Workload, env: Readonly<Record<string, string>>): Env {
  const { volumes = [] } = workload.spec.template.spec;
  const mounts = only(workload).volumeMounts ?? [];
  const texts = (volume: string): Readonly<Record<string, string>> => {
    const { secret, configMap } = volumes.find(({ name }) => name === volume) ?? {};
    if (secret !== undefined) return secrets[secret.secretName] ?? {};
    const map = [...rendered.values()]
      .flat()
      .find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === configMap?.name);
    return map?.data ?? {};
  };
  const local = (path: string): string => {
    const mount = mounts.find(({ mountPath }) => path.startsWith(`${mountPath}/`));
    const text = mount && texts(mount.name)[path.slice(mount.mountPath.length + 1)];
    if (text === undefined) return path;
    const file = join(folder, path.replaceAll('/', '_'));
    writeFileSync(file, text);
    return file;
  };
  return Object.fromEntries(Object.entries(env).map(([name, value]) => [name, local(value)]));
}
