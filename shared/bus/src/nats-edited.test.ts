import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { freePort, startNats, type NatsHandle } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import type { Broker } from './broker.js';
import { connectNats } from './connect-nats.js';
import type { StreamDefinition } from './stream-store.js';
import { text, untext } from './testing/broker-fixture.js';

// Three servers elect leaders, for each stream again.

const DAY_MS = 86_400_000;
const MIB = 1024 ** 2;
const BOUNDED = { name: 'BOUNDED', subjects: ['bounded.>'], maxAgeMs: DAY_MS, maxBytes: 8 * MIB };

interface Config {
  readonly max_age: number;
  readonly max_bytes: number;
  readonly num_replicas: number;
  readonly description?: string;
}

describe('what an operator edited at a stream, on a cluster', () => {
  let folder: string;
  let servers: NatsHandle[];
  let broker: Broker;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muster-cluster-'));
    const ports = [await freePort(), await freePort(), await freePort()];
    const routes = ports.map((port) => `nats://127.0.0.1:${port}`).join(', ');
    servers = await Promise.all(
      ports.map((port, i) =>
        startNats({
          ...{ dataDir: join(folder, String(i)), logger: silentLogger, maxStoreBytes: 200 * MIB },
          config: `server_name: n${i}\ncluster { name: c, listen: "127.0.0.1:${port}", routes: [${routes}] }\n`,
        }),
      ),
    );
    broker = await connectNats({ servers: servers.map(({ url }) => url), name: 'test', logger: silentLogger });
  });
  afterAll(async () => {
    await broker.stop();
    await Promise.all(servers.map((server) => server.stop()));
    await rm(folder, { recursive: true });
  });

  async function api(call: string, body: object = {}): Promise<{ readonly config?: Config; readonly error?: unknown }> {
    const answer = await broker.bus.request(`$JS.API.STREAM.${call}`, text(JSON.stringify(body)), {
      timeoutMs: 10_000,
    });
    if (answer.kind !== 'reply') throw new Error(answer.kind);
    return JSON.parse(untext(answer.data)) as { config?: Config };
  }
  async function config(): Promise<Config | undefined> {
    return (await api('INFO.BOUNDED')).config;
  }
  const ensure = (more: Partial<StreamDefinition> = {}): Promise<void> =>
    broker.streams.ensure([{ ...BOUNDED, ...more }], { timeoutMs: 60_000 });
  async function edit(change: Partial<Config>): Promise<void> {
    await eventually(async () => {
      const { error } = await api('UPDATE.BOUNDED', { ...(await config()), ...change });
      return error === undefined;
    });
  }

  it('is put back where a setting tells it, and stays where none does: replicas, description', async () => {
    await ensure();
    expect(await config()).toMatchObject({ num_replicas: 1, max_bytes: 8 * MIB });
    await edit({ max_age: 3_600_000_000_000, max_bytes: 2 * MIB, num_replicas: 3, description: 'ours' });
    expect(await config()).toMatchObject({ num_replicas: 3, max_bytes: 2 * MIB });
    await ensure();
    expect(await config()).toMatchObject({
      ...{ max_age: DAY_MS * 1e6, max_bytes: 8 * MIB },
      ...{ num_replicas: 3, description: 'ours' },
    });
  });

  it('and the setting of replicas, once it is there, decides too', async () => {
    await ensure({ replicas: 1 });
    expect(await config()).toMatchObject({ num_replicas: 1 });
    await ensure({ replicas: 3 });
    expect(await config()).toMatchObject({ num_replicas: 3 });
    await eventually(async () => (await broker.streams.append('bounded.a', text('1'))).kind === 'appended');
  });
});
