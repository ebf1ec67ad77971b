import { spawn } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ApiClient, runQuery } from '@muster/api-client';
import { startStack, type Stack } from '@muster/local';
import {
  natsAccess,
  newPassword,
  servicePassword,
  startNats,
  startRedis,
  type BrokerHandle,
  type NatsHandle,
} from '@muster/local/brokers';
import type { BrokerUser } from '@muster/messages';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { Witnesses } from '../chaos/agents/witnesses.js';
import { muster } from '../kit/cli.js';

const BACK_MS = 120_000;
const login = { user: 'muster', password: newPassword() };

let folder: string;
let nats: NatsHandle;
let redis: BrokerHandle;
let stack: Stack;
let api: ApiClient;
let witnesses: Witnesses;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-backup-'));
  witnesses = new Witnesses(folder);
  await start();
});
afterAll(async () => {
  witnesses.stop();
  await stop();
  await rm(folder, { recursive: true, force: true });
});

/** Another nats-server, by its path, for all that is restored: a newer one, for instance. */
const RESTORE_TO = process.env['MUSTER_TEST_RESTORE_TO'];
let starts = 0;

async function startBrokers(): Promise<void> {
  const logger = silentLogger;
  const other = starts > 0 && RESTORE_TO !== undefined ? { source: { kind: 'binary', path: RESTORE_TO } as const } : {};
  starts += 1;
  nats = await startNats({ dataDir: join(folder, 'nats'), logger, access: natsAccess(login), ...other });
  redis = await startRedis({ dataDir: join(folder, 'redis'), logger });
}

async function startServices(): Promise<void> {
  stack = await startStack({
    ...{ folder: join(folder, 'stack'), natsUrl: nats.url, natsRights: 'own', redisUrl: redis.url },
    ...{ tls: false, telemetries: 0 },
  });
  api = new ApiClient({ url: stack.apiUrl, token: stack.token, retry: { attempts: 20, maxPauseMs: 5_000 } });
}

async function start(): Promise<void> {
  await startBrokers();
  await startServices();
}

async function stop(): Promise<void> {
  await stack.stop();
  await Promise.all([nats.stop(), redis.stop()]);
}

/** `muster-setup`'s programs, as a container runs them. */
async function run(program: 'backup' | 'restore', user: BrokerUser, ...args: string[]): Promise<void> {
  const main = fileURLToPath(new URL(`../../../services/setup/dist/${program}/main.js`, import.meta.url));
  const env = {
    MUSTER_NATS_URL: `nats://127.0.0.1:${nats.port}`,
    MUSTER_NATS_PASSWORD: servicePassword(login, user),
  };
  const child = spawn(process.execPath, [main, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (output += data));
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
  expect([code, output]).toEqual([0, expect.anything()]);
}

/** Starts the next agent of the stack, with the identity that it has. */
async function addAgent(number: number): Promise<string> {
  const before = new Set(await liveIds());
  await stack.addAgent({ env: { MUSTER_LABELS: `number=${number}` } });
  return (await liveIds()).find((id) => !before.has(id))!;
}

const liveIds = async (): Promise<string[]> =>
  (await api.all('GET /v1/agents', { query: { selector: 'mode=live' } })).map(({ agentId }) => agentId);

/** An order that kills a process of its own: its deaths are how often it ran. */
async function order(agentId: string, name: string): Promise<string> {
  await witnesses.start(name);
  const target = { agentIds: [agentId] };
  const { id } = await api.call('POST /v1/commands', {
    body: { action: 'process.kill', params: { name }, target, expiresIn: '1h' },
  });
  return id;
}

const command = (id: string) => api.call('GET /v1/commands/{id}', { params: { id } });
const succeeds = (id: string): Promise<unknown> =>
  eventually(async () => (await command(id)).ledger.succeeded === 1, `command ${id} succeeds`, BACK_MS);
const auditIsWhole = async () => (await muster({ stack } as never, ['audit', 'verify', '-o', 'json'])).code === 0;

test('a store that was lost comes back: agents, audit and commands, each of which runs once', async () => {
  const [first, second, third] = [await addAgent(1), await addAgent(2), await addAgent(3)];
  const revoked = await addAgent(4);
  await api.call('POST /v1/agents/{id}/revoke', { params: { id: revoked }, body: { reason: 'lost' } });
  const done = await order(first, 'mb-done');
  await succeeds(done);
  await Promise.all(stack.agents.slice(1).map((agent) => agent.stop()));
  await eventually(async () => (await liveIds()).join() === first, 'only the first is live', BACK_MS);
  const [late, waiting] = [await order(second, 'mb-late'), await order(third, 'mb-waiting')];
  const told = await command(done);

  await run('backup', 'backup', '--to', join(folder, 'backup'));

  // What the backup does not know: one runs that it holds as waiting, and one that it does not hold at all.
  const after = await order(first, 'mb-after');
  await succeeds(after);
  await stack.stop();
  await startServices();
  await stack.addAgent();
  await stack.addAgent();
  await succeeds(late);

  await stop();
  await rm(join(folder, 'nats'), { recursive: true });
  await startBrokers();
  expect(await readdir(join(folder, 'nats'))).not.toContain('backup');
  await run('restore', 'setup', '--from', join(folder, 'backup'));
  await startServices();
  for (let i = 0; i < 3; i += 1) await stack.addAgent();

  expect((await liveIds()).sort()).toEqual([first, second, third].sort());
  expect(await command(done)).toEqual(told);
  await Promise.all([succeeds(late), succeeds(waiting)]);
  await expect(command(after)).rejects.toMatchObject({ status: 404 });
  const { state, ledger } = await runQuery(api, { sql: 'SELECT hostname FROM system_info', timeout: '30s' });
  expect([state, ledger.answered]).toEqual(['complete', 3]);
  expect(await api.call('GET /v1/agents/{id}', { params: { id: revoked } })).toMatchObject({
    revoked: expect.anything(),
  });
  const again = await order(first, 'mb-again');
  await succeeds(again);
  await eventually(auditIsWhole, 'the audit is whole', BACK_MS);
  const deaths = ['done', 'late', 'waiting', 'after', 'again'].map((name) => witnesses.deaths(`mb-${name}`));
  expect(deaths).toEqual([1, 1, 1, 1, 1]);
}, 600_000);
