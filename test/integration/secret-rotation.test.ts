import { spawn, type ChildProcess } from 'node:child_process';
import { readFile, rm, mkdtemp } from 'node:fs/promises';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiClient, followCommand } from '@muster/api-client';
import {
  generateSigningJwks,
  mintOperatorToken,
  parseSigningJwks,
  publicJwks,
  signCommandKeys,
  type PrivateJwks,
} from '@muster/identity';
import {
  natsAccess,
  newPassword,
  startNats,
  startRedis,
  writePrivateFile,
  type BrokerHandle,
} from '@muster/local/brokers';
import type { AgentId } from '@muster/protocol';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { startHarness, type Harness } from '../kit/harness.js';

const SERVICES = ['gateway', 'query', 'command', 'api'] as const;
/** Whoever has a user at both brokers. */
const CLIENTS = [...SERVICES, 'telemetry', 'posture'] as const;
type ServiceKind = (typeof CLIENTS)[number];
/** Their user is one of NATS alone, and they run when they are called. */
const JOBS = ['setup', 'backup'] as const;

/**
 * Real services, brokers and agent: each secret is rotated as docs/operations.md says, while commands go on. No program
 * is started anew.
 */
describe('secrets are rotated while everything runs', () => {
  let folder: string;
  let nats: BrokerHandle;
  let redis: BrokerHandle;
  let harness: Harness;
  let agentId: AgentId;
  let victim: ChildProcess;
  let pids: string;
  const login = { user: 'default', password: newPassword() };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muster-rotation-'));
    const access = natsAccess({ user: 'muster', password: newPassword() });
    nats = await startNats({ dataDir: join(folder, 'nats'), logger: silentLogger, access });
    redis = await startRedis({ dataDir: join(folder, 'redis'), logger: silentLogger, login });
    const stop = async (): Promise<void> => void (await Promise.all([nats.stop(), redis.stop()]));
    harness = await startHarness({ agent: true, telemetries: 1, postures: 1, folder: join(folder, 'stack') }, () =>
      Promise.resolve({ source: 'binaries', nats, redis, stop }),
    );
    agentId = await eventually(async () => {
      const [agent] = await harness.api.all('GET /v1/agents');
      return agent?.mode === 'live' ? (agent.agentId as AgentId) : undefined;
    }, 'the agent is live');
    victim = spawn('/bin/sleep', ['600'], { stdio: 'ignore' });
    await once(victim, 'spawn');
    pids = pidsOf();
  });
  afterAll(async () => {
    victim.kill('SIGKILL');
    await harness.close();
    await rm(folder, { recursive: true, force: true });
  });

  const path = (name: string): string => join(folder, 'stack', 'keys', name);
  const programs = () => {
    const { gateways, queries, commands, apis, telemetries, postures } = harness.stack;
    return {
      ...{ gateway: gateways, query: queries, command: commands, api: apis },
      ...{ telemetry: telemetries, posture: postures },
    };
  };
  const pidsOf = (): string =>
    Object.values(programs())
      .flat()
      .map(({ pid }) => pid)
      .join();
  const keysIn = async (name: string): Promise<PrivateJwks> => {
    const parsed = parseSigningJwks(await readFile(path(name), 'utf8'));
    if (!parsed.ok) throw new Error(parsed.fault);
    return parsed.jwks;
  };

  async function metric(kind: ServiceKind, rest: string): Promise<number> {
    const [program] = programs()[kind];
    const text = await (await fetch(`${program?.healthUrl}/metrics`)).text();
    const name = `muster_${kind}_${rest} `;
    return Number(
      text
        .split('\n')
        .find((line) => line.startsWith(name))
        ?.slice(name.length),
    );
  }
  const reloads = (kind: ServiceKind, setting: string, result = 'done'): Promise<number> =>
    metric(kind, `secret_reloads_total{setting="${setting}",result="${result}"}`);

  /** Writes files, and waits until each of these services has taken them. */
  async function rotate(
    files: Readonly<Record<string, string>>,
    users: Readonly<Partial<Record<ServiceKind, string>>>,
  ): Promise<void> {
    const all = Object.entries(users) as [ServiceKind, string][];
    const before = await Promise.all(all.map(([kind, setting]) => reloads(kind, setting)));
    for (const [name, text] of Object.entries(files)) await writePrivateFile(path(name), text);
    for (const [index, [kind, setting]] of all.entries()) {
      const taken = async (): Promise<boolean> => (await reloads(kind, setting)) > (before[index] ?? 0);
      await eventually(taken, `${kind} has reread ${setting}`);
    }
  }

  /** A job with this password, to its end. @returns its exit code. */
  async function run(job: (typeof JOBS)[number], password: string): Promise<number> {
    const main = job === 'setup' ? 'main.js' : 'backup/main.js';
    const to = job === 'backup' ? ['--to', join(folder, `backup-${password}`)] : [];
    const program = fileURLToPath(new URL(`../../../services/setup/dist/${main}`, import.meta.url));
    const child = spawn(process.execPath, [program, ...to], {
      env: {
        ...{ MUSTER_NATS_URL: `nats://127.0.0.1:${nats.port}`, MUSTER_NATS_PASSWORD: password },
        MUSTER_SETUP_PATIENCE: '10s',
      },
      stdio: 'ignore',
    });
    const [code] = (await once(child, 'exit')) as [number];
    return code;
  }

  /** A dry run: signed, delivered, verified and reported as any command is. */
  async function order(api = harness.api): Promise<string> {
    const { id } = await api.call('POST /v1/commands', {
      body: {
        ...{ action: 'process.kill', dryRun: true, target: { agentIds: [agentId] } },
        params: { pid: victim.pid },
      },
    });
    const { ledger } = await followCommand(api, id);
    return ledger.succeeded === 1 ? 'succeeded' : JSON.stringify(ledger);
  }

  /** Orders, one after the other, while something happens. @returns how each ended. */
  async function commandsDuring(happens: () => Promise<void>): Promise<readonly string[]> {
    const ends: string[] = [];
    let isOver = false;
    const ordering = (async () => {
      while (!isOver) ends.push(await order());
    })();
    await happens().finally(() => {
      isOver = true;
    });
    await ordering;
    return ends;
  }

  it('the key between APIs and command services: it opens first, then seals, then is alone; no order is refused', async () => {
    const old = (await readFile(path('command-request-key'), 'utf8')).trim();
    const next = newPassword();
    const users = { api: 'MUSTER_COMMAND_REQUEST_KEY', command: 'MUSTER_COMMAND_REQUEST_KEY' };
    const ends = await commandsDuring(async () => {
      for (const text of [`${old},${next}`, `${next},${old}`, next])
        await rotate({ 'command-request-key': text }, users);
    });
    expect(new Set(ends)).toEqual(new Set(['succeeded']));
  });

  it('keys that sign commands, and their list: an older list is refused, the retired key no longer signs', async () => {
    const root = await keysIn('command-root.json');
    const old = await keysIn('command-keys.json');
    const next = await generateSigningJwks();
    const listOf = (version: number, keys: PrivateJwks, retired: readonly string[] = []): string =>
      signCommandKeys(root, {
        ...{ version, iat: Math.floor(Date.now() / 1_000), retired: [...retired] },
        keys: publicJwks(keys).keys.map(({ kid, x }) => ({ kid, x })),
      });
    const both = { keys: [...next.keys, ...old.keys] };
    const [oldKid = ''] = old.keys.map(({ kid }) => kid);
    const list = 'command-key-list.jws';
    await rotate({ [list]: listOf(2, both) }, { command: 'MUSTER_COMMAND_KEY_LIST' });
    expect(await order()).toBe('succeeded');
    await rotate({ 'command-keys.json': JSON.stringify(both) }, { command: 'MUSTER_COMMAND_KEYS' });
    expect(await order()).toBe('succeeded');
    // The agent has the list by now: what the old key signs, it would refuse.
    await rotate({ [list]: listOf(3, next, [oldKid]) }, { command: 'MUSTER_COMMAND_KEY_LIST' });
    expect(await order()).toBe('succeeded');

    const failed = await reloads('command', 'MUSTER_COMMAND_KEY_LIST', 'failed');
    await writePrivateFile(path(list), listOf(2, both));
    await eventually(async () => (await reloads('command', 'MUSTER_COMMAND_KEY_LIST', 'failed')) > failed);
    expect(await order()).toBe('succeeded');
    expect((await fetch(`${programs().command[0]?.healthUrl}/readyz`)).status).toBe(200);
    await rotate(
      { [list]: listOf(4, next, [oldKid]), 'command-keys.json': JSON.stringify(next) },
      { command: 'MUSTER_COMMAND_KEYS' },
    );
    expect(await order()).toBe('succeeded');
  });

  it('keys that sign records: all verify the next one before APIs sign with it', async () => {
    const old = await keysIn('record-keys.json');
    const next = await generateSigningJwks();
    const both = { keys: [...next.keys, ...old.keys] };
    const setting = 'MUSTER_RECORD_PUBLIC_KEYS';
    const everybody = Object.fromEntries(SERVICES.map((kind) => [kind, setting]));
    await rotate({ 'record-public-keys.json': JSON.stringify(publicJwks(both)) }, everybody);
    await rotate({ 'record-keys.json': JSON.stringify(both) }, { api: 'MUSTER_RECORD_KEYS' });
    await harness.api.call('PATCH /v1/agents/{id}/labels', { params: { id: agentId }, body: { set: { site: 'zrh' } } });
    const hasLabel = async (): Promise<boolean> =>
      (await harness.api.call('GET /v1/agents/{id}', { params: { id: agentId } })).labels['site'] === 'zrh';
    await eventually(hasLabel, 'the label is set');
    for (const kind of SERVICES)
      expect([kind, await metric(kind, 'unauthentic_records_total{result="ignored"}')]).toEqual([kind, 0]);

    // Without the key of the record it counts no longer: so the label was signed with the new one.
    await rotate({ 'record-public-keys.json': JSON.stringify(publicJwks(old)) }, everybody);
    await harness.api.call('PATCH /v1/agents/{id}/labels', { params: { id: agentId }, body: { set: { site: 'ber' } } });
    await eventually(async () => (await metric('gateway', 'unauthentic_records_total{result="ignored"}')) === 1);
    await rotate({ 'record-public-keys.json': JSON.stringify(publicJwks(next)) }, everybody);
  });

  it('the first operator token: the next one is let in, the old one is not', async () => {
    const { token } = mintOperatorToken();
    await rotate({ 'operator-token': token }, { api: 'MUSTER_BOOTSTRAP_TOKEN' });
    const status = (api: ApiClient): Promise<unknown> =>
      api.call('GET /v1/me').then(
        ({ id }) => id,
        (error: { status: number }) => error.status,
      );
    const before = harness.api;
    harness = { ...harness, api: new ApiClient({ url: harness.stack.apiUrl, token }) };
    expect([await status(before), await status(harness.api)]).toEqual([401, 'bootstrap']);
  });

  it.each(['files first', 'brokers first'])(
    'passwords of NATS and Redis, %s: services are back within seconds',
    async (way) => {
      const files = [
        ...CLIENTS.flatMap((kind) => [`nats-${kind}-password`, `redis-${kind}-password`]),
        ...JOBS.map((kind) => `nats-${kind}-password`),
      ];
      const next = new Map(files.map((file) => [file, newPassword()]));
      const before = new Map<string, string>();
      for (const file of files) before.set(file, (await readFile(path(file), 'utf8')).trim());
      // NATS reads its users again; Redis, none of whose users may, is started anew.
      const changeBrokers = async (): Promise<void> => {
        for (const broker of ['nats', 'redis']) {
          const conf = join(folder, broker, `${broker}.conf`);
          let text = await readFile(conf, 'utf8');
          for (const [file, password] of before) {
            if (file.startsWith(broker)) text = text.replaceAll(password, next.get(file) ?? '');
          }
          await writePrivateFile(conf, text);
        }
        process.kill(nats.pid!, 'SIGHUP');
        await redis.restart();
      };
      const redisReloads = await Promise.all(CLIENTS.map((kind) => reloads(kind, 'MUSTER_REDIS_PASSWORD')));
      const changeFiles = async (): Promise<void> => {
        await rotate(
          Object.fromEntries(next),
          Object.fromEntries(CLIENTS.map((kind) => [kind, 'MUSTER_NATS_PASSWORD'])),
        );
        for (const [index, kind] of CLIENTS.entries()) {
          const isTaken = async (): Promise<boolean> =>
            (await reloads(kind, 'MUSTER_REDIS_PASSWORD')) > (redisReloads[index] ?? 0);
          await eventually(isTaken, `${kind} has reread its password of Redis`);
        }
      };
      const reconnected = await Promise.all(CLIENTS.map((kind) => metric(kind, 'bus_reconnects_total')));
      for (const change of way === 'files first' ? [changeFiles, changeBrokers] : [changeBrokers, changeFiles])
        await change();
      for (const [index, kind] of CLIENTS.entries()) {
        const isBack = async (): Promise<boolean> =>
          (await metric(kind, 'bus_reconnects_total')) > (reconnected[index] ?? 0) &&
          (await metric(kind, 'registry_connected')) === 1 &&
          (await fetch(`${programs()[kind][0]?.healthUrl}/readyz`)).ok;
        await eventually(isBack, `${kind} is connected under its new passwords`);
      }
      for (const job of JOBS) {
        expect([job, await run(job, next.get(`nats-${job}-password`) ?? '')]).toEqual([job, 0]);
        expect([job, await run(job, before.get(`nats-${job}-password`) ?? '')]).toEqual([job, 1]);
      }
      expect(await order()).toBe('succeeded');
    },
  );

  it('and no program was started anew for any of it', () => {
    expect(pidsOf()).toBe(pids);
  });
});
