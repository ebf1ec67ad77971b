import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ApiClient, runQuery } from '@muster/api-client';
import { scrapeTargets } from '@muster/local';
import { RULE_GROUPS } from '@muster/observability';
import { eventually } from '@muster/runtime/testing';
import { TcpRelay } from '@muster/testkit';
import { FastPrometheus } from '../kit/fast-prometheus.js';
import { fleetOptions, startHarness, type Harness } from '../kit/harness.js';
import { tellRedis } from '../kit/tell-redis.js';
import { Fleet } from '../simulator/index.js';

/** Each fault, and the alerts that are for it: `name severity`, and the process where only one is at fault. */
const FAULTS = {
  'a gateway whose certificate ends in two days, and whose file becomes another thing': [
    'MusterCertificateExpires warning gateway-3',
    'MusterCertificateExpires critical gateway-3',
    'MusterCertificateNotReread warning gateway-3',
  ],
  'a gateway that knows how little NATS may store': [
    'MusterStorageNearlyFull warning gateway-3',
    'MusterStorageNearlyFull critical gateway-3',
  ],
  'a gateway with a slow network to the brokers': [
    'MusterBrokerSlow warning gateway-4',
    'MusterRegistrySlow warning gateway-4',
  ],
  'a gateway whose connection to NATS breaks again and again': ['MusterBrokerReconnecting warning gateway-5'],
  'a gateway with room for one connection, and secrets without room': [
    'MusterGatewayFull warning gateway-6',
    'MusterEnrolmentRefused warning',
    'MusterEnrolmentNearlyFull warning',
  ],
  'a file of enrolment secrets that becomes another thing': ['MusterSecretNotReread warning gateway-6'],
  'many new endpoints at once': ['MusterEnrolmentSurge warning'],
  'guesses of tokens and of secrets': [
    'MusterCredentialsGuessed warning',
    'MusterEnrolmentGuessed warning',
    'MusterAuditSuppressed warning',
  ],
  'endpoints that do not answer, and more rows than a query may have': [
    'MusterQueriesIncomplete warning',
    'MusterQueriesTruncated info',
    'MusterEndpointsAnswerBudgetBurn critical',
  ],
  'a command service whose event loop stands still again and again': ['MusterEventLoopLag warning command-1'],
  'a query service that is killed three times': [
    'MusterServiceDown critical query-1',
    'MusterServiceRestarting warning query-1',
    'MusterQueriesInterrupted warning',
    'MusterQueryEndsBudgetBurn critical',
  ],
  'a gateway that is frozen for longer than its lease': [
    'MusterGatewayDown critical gateway-2',
    'MusterGatewayFenced warning gateway-2',
    'MusterGatewayLost warning',
  ],
  'a Redis that has nearly used up its memory': ['MusterRegistryNearlyFull warning'],
} as const;

/** Set off by the end of `observability.test.ts`. */
const BY_OUTAGE = [
  ...['MusterBrokerDisconnected', 'MusterLeaseFlapping', 'MusterMessagesDropped', 'MusterRegistryUnavailable'],
];

const LEASE_MS = 8_000;
const GUESSES = 1_500;

let harness: Harness;
let folder: string;
let prometheus: FastPrometheus;
let certificate: string;
let secrets: string;
const relays: TcpRelay[] = [];
const fleets: Fleet[] = [];
const ending = new AbortController();
const working: Promise<unknown>[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-alerts-'));
  harness = await startHarness({
    ...{ gateways: 2, queries: 2, restart: true },
    env: { gateway: { MUSTER_GATEWAY_LEASE: `${LEASE_MS}ms` }, query: { MUSTER_QUERY_MAX_GROUPS: '5' } },
  });
  const { stack } = harness;
  certificate = join(folder, 'cert.pem');
  const key = join(folder, 'key.pem');
  const made = ['-nodes', '-days', '2', '-subj', '/CN=localhost', '-keyout', key, '-out', certificate];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', ...made], {
    stdio: 'ignore',
  });
  await stack.addGateway({
    ...{ MUSTER_TLS_CERT_FILE: certificate, MUSTER_TLS_KEY_FILE: key, MUSTER_STORAGE_LIMIT: '64KiB' },
  });
  const [nats, redis, breaking] = [
    await relayTo(harness.brokers.nats.url, 200),
    await relayTo(harness.brokers.redis.url, 200),
    await relayTo(harness.brokers.nats.url, 0),
  ];
  await stack.addGateway({ MUSTER_NATS_URL: nats, MUSTER_REDIS_URL: redis });
  await stack.addGateway({ MUSTER_NATS_URL: breaking });
  secrets = join(folder, 'secrets.json');
  const bounded = [
    { secret: SMALL, name: 'small', maxIdentities: 3 },
    { secret: EXPIRED, name: 'expired', expires: '2020-01-01' },
  ];
  await writeFile(secrets, JSON.stringify({ [stack.org]: bounded }));
  await stack.addGateway({ MUSTER_GATEWAY_MAX_CONNECTIONS: '1', MUSTER_ENROLL_SECRETS_FILE: secrets });
  prometheus = await FastPrometheus.start({ folder, targets: scrapeTargets(stack) });
  await eventually(async () => (await prometheus.samplesOf('up == 1')) === 10, 'everything is scraped');
});
afterAll(async () => {
  ending.abort();
  await Promise.all(working);
  await prometheus.stop();
  await Promise.all(fleets.map((fleet) => fleet.stop()));
  await harness.close();
  await Promise.all(relays.map((relay) => relay.stop()));
  await rm(folder, { recursive: true, force: true });
});

const [SMALL, EXPIRED] = ['a-secret-with-little-room', 'a-secret-of-long-ago'];

/** The URL of the same broker behind a relay that holds each byte so long. */
async function relayTo(url: string, delayMs: number): Promise<string> {
  const { port } = new URL(url);
  const relay = await TcpRelay.start({ port: Number(port), delayMs });
  relays.push(relay);
  return url.replace(`:${port}`, `:${relay.port}`);
}

/** Goes on until the test ends. What fails here shows in an alert that does not come. */
function again(everyMs: number, what: () => Promise<unknown> | void): void {
  const run = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      await Promise.resolve(what()).catch(() => undefined);
      await delay(everyMs, undefined, { signal: ending.signal }).catch(() => undefined);
    }
  };
  working.push(run());
}

/** As a client that does not repeat what fails. */
const quickly = (): ApiClient =>
  new ApiClient({ url: harness.stack.apiUrl, token: harness.stack.token, retry: { attempts: 1, maxPauseMs: 1 } });

async function guess(fleet: Fleet): Promise<void> {
  const { facts } = fleet.agents[0]!.machine;
  for (let i = 0; i < GUESSES && !ending.signal.aborted; i += 20) {
    await Promise.allSettled(Array.from({ length: 20 }, () => guessOnce(facts)));
  }
}

/** One wrong token, and one wrong secret. */
async function guessOnce(facts: object): Promise<void> {
  const { stack } = harness;
  const word = randomBytes(32).toString('base64url');
  const headers = { authorization: `Bearer ${word}`, 'content-type': 'application/json' };
  await (await fetch(`${stack.apiUrl}/v1/agents`, { headers })).arrayBuffer();
  const claim = { org: stack.org, publicKey: word, timestampMs: Date.now(), proof: word, facts };
  const url = `${stack.gateways[0]!.url.replace(/^ws/, 'http')}/v1/enroll`;
  await (await fetch(url, { method: 'POST', headers, body: JSON.stringify(claim) })).arrayBuffer();
}

async function freeze(name: string, ms: number): Promise<void> {
  const { gateways, commands } = harness.stack;
  const program = [...gateways, ...commands].find((one) => one.name === name)!;
  program.signal('SIGSTOP');
  await delay(ms);
  program.signal('SIGCONT');
}

test('every alert is set off here or by the observability test, or testing.md says why not', async () => {
  const guide = await readFile(new URL('../../../docs/testing.md', import.meta.url), 'utf8');
  const section = guide.slice(guide.indexOf('\n## Alerts\n')).split('\n## ')[1] ?? '';
  const explained = [...section.matchAll(/`(Muster\w+)`/g)].map(([, name]) => name!);
  const setOff = Object.values(FAULTS).flatMap((alerts) => alerts.map((alert) => alert.split(' ')[0]!));
  const all = RULE_GROUPS.flatMap(({ rules }) => rules.flatMap((rule) => ('alert' in rule ? [rule.alert] : [])));
  expect([...new Set([...setOff, ...BY_OUTAGE, ...explained])].sort()).toEqual([...new Set(all)].sort());
  expect(explained.filter((name) => [...setOff, ...BY_OUTAGE].includes(name))).toEqual([]);
});

test('each fault sets off the alerts that are for it', async () => {
  const { stack, brokers } = harness;
  const options = fleetOptions(harness);
  const [first] = stack.gateways;
  // The first two gateways take endpoints; a third of these does not answer, others leave.
  const fleet = new Fleet({
    ...{ ...options, gateways: [first!.url, stack.gateways[1]!.url], agents: 150 },
    behaviour: { silent: 0.3, disappearing: 0.1 },
  });
  const crowd = new Fleet({ ...options, gateways: [stack.gateways[5]!.url], enrolSecret: SMALL, agents: 6, seed: 9 });
  const late = new Fleet({ ...options, gateways: [stack.gateways[5]!.url], enrolSecret: EXPIRED, agents: 1, seed: 8 });
  fleets.push(fleet, crowd, late);
  for (const refused of [crowd, late]) working.push(refused.start().catch(() => undefined));
  await fleet.start();

  const api = quickly();
  const sql = 'SELECT hostname FROM system_info';
  again(200, () => runQuery(api, { sql, mode: 'group', timeout: '1s' }));
  // So many that each query service has some at any time.
  for (let i = 0; i < 6; i += 1) again(200, () => runQuery(api, { sql, mode: 'raw', timeout: '20s' }));
  again(1_000, () => relays[2]!.cut());
  again(300, () => freeze('command-1', 400));
  working.push(guess(fleet));
  await writeFile(certificate, 'not a certificate');
  await writeFile(secrets, 'no secrets');
  const kill = async (): Promise<void> => {
    const query = stack.queries.find(({ name }) => name === 'query-1')!;
    for (let i = 0; i < 3; i += 1) {
      // It has to be seen, and to have something to do.
      await delay(4_000);
      const { pid } = query;
      query.signal('SIGKILL');
      await eventually(() => query.pid !== pid && query.pid > 0, 'it is back');
    }
  };
  await Promise.all([kill(), freeze('gateway-2', 2 * LEASE_MS)]);
  const used = Number(/^used_memory:(\d+)/m.exec(await tellRedis(brokers.redis.url, 'INFO memory'))?.[1]);
  await tellRedis(brokers.redis.url, `CONFIG SET maxmemory ${Math.round(used * 1.15)}`);

  const expected = Object.entries(FAULTS).flatMap(([fault, alerts]) => alerts.map((alert) => [alert, fault] as const));
  await eventually(
    async () => {
      const fired = await prometheus.fired();
      const missing = expected.filter(([alert]) => !fired.has(alert));
      if (missing.length > 0) throw new Error(missing.map(([alert, fault]) => `${alert} (${fault})`).join('; '));
      return true;
    },
    'every alert fires',
    120_000,
  );
  // And not at the others.
  const fired = [...(await prometheus.fired())].filter((alert) => /Certificate|Secret|StorageNearlyFull/.test(alert));
  const elsewhere = fired.filter((alert) => / gateway-[12456]$| (api|query|command)-/.test(alert));
  expect(elsewhere).toEqual(['MusterSecretNotReread warning gateway-6']);
});
