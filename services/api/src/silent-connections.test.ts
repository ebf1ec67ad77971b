import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureCertificates } from '@muster/local';
import { eventually } from '@muster/runtime/testing';
import { ApiHarness, type ApiProcess } from './testing/api-harness.js';
import { Flood, type FloodKind } from './testing/flood.js';

// Thousands of sockets, on machines that may be busy.

const ATTACKERS = ['127.0.0.2', '127.0.0.3', '127.0.0.4'];
const HEAD_TIMEOUT_MS = 3_000;
const BOUNDS = {
  MUSTER_API_MAX_CONNECTIONS: '500',
  MUSTER_API_HEAD_TIMEOUT: `${HEAD_TIMEOUT_MS}ms`,
  MUSTER_API_REQUEST_TIMEOUT: '4s',
};
/** Honest callers need their time too on a machine that is busy; attackers get no less room by it. */
const PATIENT = { MUSTER_API_HEAD_TIMEOUT: '20s', MUSTER_API_REQUEST_TIMEOUT: '30s' };
/** Every caller here has the same token. */
const OF_ONE_OPERATOR = {
  MUSTER_API_MAX_VIEWERS_PER_OPERATOR: '400',
  MUSTER_API_MAX_REQUESTS_PER_ORG: '400',
  MUSTER_API_MAX_REQUESTS_PER_OPERATOR: '400',
};
const COUNT = 600;

let harness: ApiHarness;
let folder: string;
let tls: { readonly env: Readonly<Record<string, string>>; readonly ca: string };
beforeAll(async () => {
  harness = await ApiHarness.open();
  folder = await mkdtemp(join(tmpdir(), 'muster-api-'));
  const { certPath, keyPath, caPath } = await ensureCertificates(join(folder, 'tls'));
  const env = { MUSTER_TLS_CERT_FILE: certPath, MUSTER_TLS_KEY_FILE: keyPath };
  tls = { env, ca: await readFile(caPath, 'utf8') };
});
afterAll(async () => {
  await harness.close();
  await rm(folder, { recursive: true });
});

let api: ApiProcess | undefined;
const floods: Flood[] = [];
afterEach(async () => {
  for (const flood of floods.splice(0)) flood.stop();
  await api?.process.stop();
});

async function flood(kind: FloodKind, more: { from?: readonly string[]; count?: number } = {}): Promise<Flood> {
  const port = api?.process.port('api') ?? 0;
  const started = await Flood.start({ port, kind, count: COUNT, from: ATTACKERS, token: harness.token, ...more });
  floods.push(started);
  return started;
}

/** What a metric has, its labels added up. */
async function metric(name: string, labels = ''): Promise<number> {
  const { text } = (await api?.health('/metrics')) ?? { text: '' };
  const lines = text.split('\n').filter((line) => line.startsWith(`muster_api_${name}`) && line.includes(labels));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

/** Every honest caller of this address is served, each on a connection of its own. */
async function expectService(from: string, ca?: string): Promise<void> {
  for (let i = 0; i < 10; i += 1) {
    const asked = await api?.ask('GET', '/v1/me', { localAddress: from, ...(ca === undefined ? {} : { ca }) });
    expect(asked?.status).toBe(200);
  }
}

describe('connections that only occupy the API', () => {
  const plain: readonly FloodKind[] = ['silent', 'half_closed', 'head_drips', 'kept_alive'];
  const secure: readonly FloodKind[] = ['silent', 'half_closed', 'tls_begun'];

  test.each(plain)('%s: honest callers are served, health answers, and one line a minute says so', async (kind) => {
    const startedMs = performance.now();
    api = await harness.startApi({ ...BOUNDS, ...PATIENT });
    await flood(kind, kind === 'silent' ? { count: 3_000 } : {});
    await expectService('127.0.0.1');
    // The attacker's own address is served too.
    await expectService('127.0.0.2');
    for (const path of ['/healthz', '/readyz', '/metrics']) expect((await api.health(path)).status).toBe(200);
    if (kind === 'half_closed') return;
    expect(await metric('connections_cut_total', 'why="room_unproven"')).toBeGreaterThan(0);
    const lines = api.process.log.filter(({ msg }) => msg === 'too many connections');
    const minutes = Math.floor((performance.now() - startedMs) / 60_000);
    expect([lines.length > 0, lines.length <= 1 + minutes]).toEqual([true, true]);
  });

  test.each(secure)('%s before TLS is set up: honest callers are served', async (kind) => {
    api = await harness.startApi({ ...BOUNDS, ...tls.env, ...PATIENT });
    await flood(kind);
    await expectService('127.0.0.1', tls.ca);
    await expectService('127.0.0.2', tls.ca);
  });

  test('silent after TLS is set up: honest callers are served', async () => {
    api = await harness.startApi({ ...BOUNDS, ...tls.env, ...PATIENT, MUSTER_API_MAX_CONNECTIONS: '200' });
    // A handshake costs both sides; fewer are enough to fill this one.
    await flood('tls_done', { count: 400 });
    await expectService('127.0.0.1', tls.ca);
  });

  test('bodies that never end are cut in time, also with valid credentials', async () => {
    api = await harness.startApi({ ...BOUNDS, ...OF_ONE_OPERATOR });
    const attack = await flood('body_drips', { count: 200 });
    await expectService('127.0.0.1');
    await eventually(() => attack.closed >= 200, 'each was cut once');
  });

  test('are cut at the deadline, and the memory for them comes back', async () => {
    api = await harness.startApi({ ...BOUNDS, ...tls.env, MUSTER_API_MAX_CONNECTIONS: '5000' });
    await expectService('127.0.0.1', tls.ca);
    const before = await residentBytes();
    const attack = await flood('tls_begun', { count: 900 });
    await eventually(() => attack.closed >= 900, 'each was cut once');
    attack.stop();
    await eventually(async () => (await metric('connections{', 'state="silent"')) === 0, 'none is left');
    expect(await metric('connections_cut_total', 'why="no_request"')).toBeGreaterThanOrEqual(900);
    expect((await residentBytes()) - before).toBeLessThan(100 * 1024 * 1024);
  });
});

async function residentBytes(): Promise<number> {
  const { text } = (await api?.health('/metrics')) ?? { text: '' };
  return Number(/^process_resident_memory_bytes (\S+)/m.exec(text)?.[1]);
}

describe('the port for health', () => {
  test('answers while silent connections occupy it', async () => {
    api = await harness.startApi();
    const port = api.process.port('health');
    const attack = await Flood.start({ port, kind: 'silent', count: 1_000, from: ATTACKERS });
    floods.push(attack);
    for (let i = 0; i < 10; i += 1) {
      for (const path of ['/healthz', '/readyz', '/metrics']) expect((await api.health(path)).status).toBe(200);
    }
    expect(await metric('health_connections_cut_total', 'why="room_unproven"')).toBeGreaterThan(0);
  });
});

describe('a listener whose connections are all in use', () => {
  test('says so at /readyz, and takes callers again when some have left', async () => {
    api = await harness.startApi({
      MUSTER_API_MAX_CONNECTIONS: '20',
      MUSTER_API_MAX_CONNECTIONS_PER_ADDRESS: '20',
      ...OF_ONE_OPERATOR,
    });
    const { text } = await api.ask('POST', '/v1/queries', { body: { sql: 'SELECT 1' } });
    const path = `/v1/queries/${(JSON.parse(text) as { id: string }).id}/events`;
    const viewers = [];
    for (let i = 0; i < 20; i += 1) viewers.push(await api.open('GET', path));
    await expect(api.ask('GET', '/v1/me')).rejects.toMatchObject({ code: 'ECONNRESET' });
    const { status, text: body } = await api.health('/readyz');
    expect([status, JSON.parse(body)]).toMatchObject([
      503,
      { checks: { broker: { ok: true }, connections: { ok: false, detail: '20 of 20 connections are in use' } } },
    ]);
    expect(await metric('connections_cut_total', 'why="refused_')).toBeGreaterThan(0);
    for (const viewer of viewers.slice(0, 5)) viewer.destroy();
    await eventually(async () => (await api?.health('/readyz'))?.status === 200);
    expect((await api.ask('GET', '/v1/me')).status).toBe(200);
    for (const viewer of viewers) viewer.destroy();
  });
});
