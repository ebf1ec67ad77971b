import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { runQuery } from '@muster/api-client';
import { ensureCertificates, scrapeTargets } from '@muster/local';
import { generatedFiles, RULE_GROUPS, selectorsOf, withoutVariables, type Selector } from '@muster/observability';
import { eventually } from '@muster/runtime/testing';
import { FastPrometheus } from '../kit/fast-prometheus.js';
import { muster } from '../kit/cli.js';
import { fleetOptions, onChannel, startHarness, type Harness } from '../kit/harness.js';
import { tellRedis } from '../kit/tell-redis.js';
import { Fleet } from '../simulator/index.js';

/** Every metric of a panel or rule, and where it stands. */
interface Expression {
  readonly where: string;
  readonly expr: string;
}
interface Model {
  readonly title: string;
  readonly panels: readonly { readonly title: string; readonly targets?: readonly { readonly expr: string }[] }[];
}

const files = [...generatedFiles()];
const inPanels: Expression[] = files
  .filter(([path]) => path.endsWith('.json'))
  .map(([, text]) => JSON.parse(text) as Model)
  .flatMap(({ title, panels }) =>
    panels.flatMap((panel) =>
      (panel.targets ?? []).map(({ expr }) => ({ where: `${title}: ${panel.title}`, expr: withoutVariables(expr) })),
    ),
  );
const inRules: Expression[] = RULE_GROUPS.flatMap(({ rules }) =>
  rules.map((rule) => ({ where: 'alert' in rule ? rule.alert : rule.record, expr: rule.expr })),
);
const selectors = new Map<string, Selector>(
  [...inPanels, ...inRules].flatMap(({ expr }) => selectorsOf(expr)).map((selector) => [selector.text, selector]),
);

const PACK = `kind: muster/pack
format: 1
id: observed
version: 1.0.0
title: Two checks
checks:
  - { id: one, title: One, severity: high, platforms: [linux], sql: SELECT name FROM os_version, row_means: fail }
  - { id: two, title: Two, severity: low, platforms: [linux], sql: SELECT name FROM os_version, row_means: pass }
`;

const ADVISORY = {
  ...{ id: 'DSA-1-1', modified: '2026-01-01T00:00:00Z' },
  affected: [
    {
      package: { ecosystem: 'Debian:12', name: 'curl' },
      ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed: '7.88.1-10' }] }],
    },
  ],
};

let harness: Harness;
let folder: string;
let prometheus: FastPrometheus;
const fleets: Fleet[] = [];
const ending = new AbortController();
let load: Promise<void> = Promise.resolve();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-observability-'));
  const policy = join(folder, 'metrics.json');
  await writeFile(policy, JSON.stringify({ rules: [{ selector: '', interval: '10s' }] }));
  // Telemetry services write to the same Prometheus, which starts last: until then they try again.
  const port = await freePort();
  harness = await startHarness({
    ...{ gateways: 2, telemetries: 2, postures: 1 },
    env: {
      // Of some services it is known how much NATS may store, and of others it is not.
      gateway: { MUSTER_METRICS_POLICY_FILE: policy, MUSTER_STORAGE_LIMIT: '100GiB' },
      telemetry: { MUSTER_TELEMETRY_REMOTE_WRITE_URL: `http://127.0.0.1:${port}/api/v1/write` },
    },
  });
  const options = fleetOptions(harness);
  // Nobody connects to it: it is there for the metric of its certificate.
  const { certPath, keyPath } = await ensureCertificates(join(folder, 'tls'));
  await harness.stack.addGateway({ MUSTER_TLS_CERT_FILE: certPath, MUSTER_TLS_KEY_FILE: keyPath });
  for (const mode of ['live', 'poll'] as const) {
    fleets.push(
      new Fleet({
        ...{ ...options, agents: 10, metrics: true, behaviour: { failing: 0.2 } },
        packs: { failing: 0.3, unique: 0 },
        ...{ ...onChannel(mode), seed: mode.length },
      }),
    );
  }
  await Promise.all(fleets.map((fleet) => fleet.start()));
  await harness.api.call('POST /v1/packs', { body: { text: PACK } });
  await harness.api.call('POST /v1/schedules', { body: { name: 'observed', pack: 'observed', cron: '* * * * *' } });
  await tellRedis(harness.brokers.redis.url, 'CONFIG SET maxmemory 1gb');
  const feed = join(folder, 'feed.json');
  await writeFile(feed, JSON.stringify(ADVISORY));
  const imported = await muster(harness, ['feed', 'import', feed, '--name', 'debian']);
  if (imported.code !== 0) throw new Error(`the feed was not imported: ${imported.stderr}`);
  prometheus = await FastPrometheus.start({ folder, targets: scrapeTargets(harness.stack), port });
  load = underLoad();
});

afterAll(async () => {
  ending.abort();
  await load;
  await prometheus.stop();
  await Promise.all(fleets.map((fleet) => fleet.stop()));
  await harness.close();
  await rm(folder, { recursive: true, force: true });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => void server.close(resolve));
  return port;
}

/** A little of everything, again and again: a rate needs two scrapes on both sides of an event. */
async function underLoad(): Promise<void> {
  const { api, stack } = harness;
  const agentIds = fleets.flatMap(({ agents }) => agents.map(({ agentId }) => agentId));
  const once = async (): Promise<void> => {
    const reduce = 'SELECT count(*) AS n FROM rows';
    await Promise.all([
      runQuery(api, { sql: 'SELECT hostname FROM system_info', mode: 'raw', reduce, timeout: '5s' }),
      runQuery(api, { sql: 'SELECT hostname FROM system_info', mode: 'group', timeout: '5s' }),
      api.fetch('/v1/commands', {
        method: 'POST',
        body: { action: 'dns.flush', params: {}, target: { agentIds }, expiresIn: '10m' },
      }),
      fetch(`${stack.apiUrl}/v1/agents`),
      api.fetch('/v1/health'),
      api.fetch('/v1/fleet/top'),
      api.call('POST /v1/scans', { body: { pack: 'observed', timeout: '5s' } }),
    ]);
  };
  // What fails here is missed below.
  while (!ending.signal.aborted) {
    await once().catch(() => undefined);
    await delay(1_000, undefined, { signal: ending.signal }).catch(() => undefined);
  }
}

/** Those of which Prometheus has nothing, in the order of their names. */
async function withoutSamples(exprs: Iterable<string>): Promise<string[]> {
  const missing: string[] = [];
  for (const expr of exprs) if ((await prometheus.samplesOf(expr)) === 0) missing.push(expr);
  return missing.sort();
}

test('each selector of every panel and rule has a series', async () => {
  let missing: string[] = [...selectors.keys()];
  expect(missing.length).toBeGreaterThan(100);
  await eventually(
    async () => {
      missing = await withoutSamples(missing);
      if (missing.length > 0) throw new Error(`no series: ${missing.join('  ')}`);
      return true;
    },
    'every selector has a series',
    90_000,
  );
});

test('each query of every panel shows something', async () => {
  // What is unknown is empty where all is known.
  const known = inPanels.filter(({ expr }) => !expr.includes(' unless '));
  const places = new Map(known.map(({ where, expr }) => [expr, where]));
  let missing: string[] = [...places.keys()];
  await eventually(
    async () => {
      missing = await withoutSamples(missing);
      if (missing.length > 0)
        throw new Error(missing.map((expr) => `${places.get(expr)} is empty: ${expr}`).join('\n'));
      return true;
    },
    'every panel shows something',
    90_000,
  );
});

test('each rule is evaluated without a fault', async () => {
  await eventually(async () => {
    const { groups } = (await prometheus.ask('rules')) as {
      groups: { rules: { name: string; health: string; lastError?: string }[] }[];
    };
    const rules = groups.flatMap((group) => group.rules);
    expect(rules).toHaveLength(inRules.length);
    const unwell = rules.filter(({ health }) => health !== 'ok');
    if (unwell.length > 0)
      throw new Error(unwell.map(({ name, health, lastError }) => `${name}: ${lastError ?? health}`).join('\n'));
    return true;
  }, 'all rules are evaluated');
});

test('each metric of Muster is used by a panel, by a rule, or in the operations guide', async () => {
  const page = (name: string) => readFile(new URL(`../../../docs/${name}.md`, import.meta.url), 'utf8');
  const guide = (await page('operations')) + (await page('settings'));
  const operations = guide.replaceAll(
    /`(muster_)\{([a-z,]+)\}(\w+)`/g,
    (_, start: string, services: string, rest: string) =>
      services
        .split(',')
        .map((service) => `\`${start}${service}${rest}\``)
        .join(' '),
  );
  const metrics = new Set<string>();
  for (const { healthUrl } of scrapeTargets(harness.stack)) {
    const text = await (await fetch(`${healthUrl}/metrics`)).text();
    for (const [, name = ''] of text.matchAll(/^# TYPE (muster_\w+) /gm)) metrics.add(name);
  }
  expect(metrics.size).toBeGreaterThan(100);
  const named = [...selectors.values()].map(({ name }) => name);
  const isUsed = (metric: string): boolean => {
    const series = [metric, `${metric}_bucket`, `${metric}_count`, `${metric}_sum`];
    return (
      named.some((name) => series.some((one) => (typeof name === 'string' ? name === one : name.test(one)))) ||
      new RegExp(`\`${metric}[\`{]`).test(operations)
    );
  };
  expect([...metrics].filter((metric) => !isUsed(metric)).sort()).toEqual([]);
});

// promtool tests all of them with series that it is given (deploy/observability). This is the way of a fault into those series.
test('a killed gateway and brokers that are away set off their alerts', async () => {
  const { stack, brokers } = harness;
  const caused = [
    'MusterBrokerDisconnected',
    'MusterGatewayDown',
    'MusterLeaseFlapping',
    'MusterMessagesDropped',
    'MusterRegistryUnavailable',
  ];
  const firing = async (): Promise<Set<string>> => {
    const { alerts } = (await prometheus.ask('alerts')) as {
      alerts: { state: string; labels: { alertname: string } }[];
    };
    return new Set(alerts.flatMap(({ state, labels }) => (state === 'firing' ? [labels.alertname] : [])));
  };
  // A busy machine may have set some of them off already.
  const before = await firing();
  const expected = caused.filter((alert) => !before.has(alert));
  expect(expected.length).toBeGreaterThan(2);
  // Callers would repeat for as long as the brokers are away.
  ending.abort();
  await load;
  stack.gateways[2]!.signal('SIGKILL');
  await Promise.all([brokers.nats.kill9(), brokers.redis.kill9()]);
  try {
    await eventually(
      async () => {
        const now = await firing();
        const missing = expected.filter((alert) => !now.has(alert));
        if (missing.length > 0) throw new Error(`not firing: ${missing.join(', ')}`);
        return true;
      },
      'the alerts fire',
      90_000,
    );
  } finally {
    await Promise.all([brokers.nats.restart(), brokers.redis.restart()]);
  }
});
