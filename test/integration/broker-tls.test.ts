import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { connectNats } from '@muster/bus';
import { generateSigningJwks } from '@muster/identity';
import { ensureCertificates, mainOf } from '@muster/local';
import { ensureBinary, freePort } from '@muster/local/brokers';
import { openRedisRegistry } from '@muster/registry';
import { silentLogger as logger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { TestProcess } from '@muster/testkit';

const GATEWAY = mainOf('gateway');

let folder: string;
let caPath: string;
let natsUrl: string;
let redisUrl: string;
const servers: ChildProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-broker-tls-'));
  const files = await ensureCertificates(join(folder, 'tls'));
  const { certPath, keyPath } = files;
  caPath = files.caPath;
  const [natsPort, redisPort] = await Promise.all([freePort(), freePort()]);
  [natsUrl, redisUrl] = [`tls://localhost:${natsPort}`, `rediss://localhost:${redisPort}`];
  const config = join(folder, 'nats.conf');
  await writeFile(
    config,
    `listen: "127.0.0.1:${natsPort}"
     jetstream { store_dir: "${join(folder, 'nats')}" }
     tls { cert_file: "${certPath}", key_file: "${keyPath}" }`,
  );
  const nats = await ensureBinary('nats-server', 'nats-server', { logger });
  const redis = await ensureBinary('redis-server', 'redis-server', { logger });
  servers.push(spawn(nats, ['-c', config], { stdio: 'ignore' }));
  const tls = ['--tls-port', String(redisPort), '--tls-cert-file', certPath, '--tls-key-file', keyPath];
  servers.push(
    spawn(redis, ['--port', '0', '--bind', '127.0.0.1', '--save', '', ...tls, '--tls-auth-clients', 'no'], {
      ...{ stdio: 'ignore', cwd: folder },
    }),
  );
});
afterAll(async () => {
  for (const server of servers) {
    server.kill('SIGKILL');
    if (server.exitCode === null && server.signalCode === null) await once(server, 'exit');
  }
  await rm(folder, { recursive: true, force: true });
});

test('a service reaches NATS and Redis over TLS whose certificates a private authority has signed', async () => {
  const gateway = await TestProcess.start({
    main: GATEWAY,
    env: {
      ...{ MUSTER_NATS_URL: natsUrl, MUSTER_NATS_CA_FILE: caPath, MUSTER_NATS_RIGHTS: 'all' },
      ...{ MUSTER_REDIS_URL: redisUrl, MUSTER_REDIS_CA_FILE: caPath },
      ...{ MUSTER_GATEWAY_HOST: '127.0.0.1', MUSTER_GATEWAY_PORT: '0' },
      ...{ MUSTER_HEALTH_HOST: '127.0.0.1', MUSTER_HEALTH_PORT: '0' },
      MUSTER_AGENT_TOKEN_KEYS: JSON.stringify(await generateSigningJwks()),
      MUSTER_ENROLL_SECRETS: 'acme=a-secret-for-enrolment',
    },
  });
  const isConnected = async (): Promise<boolean> =>
    /^muster_gateway_registry_connected 1$/m.test(await (await fetch(`${gateway.healthUrl}/metrics`)).text());
  await eventually(isConnected, 'the gateway is connected to Redis');
  expect((await fetch(`${gateway.healthUrl}/readyz`)).status).toBe(200);
  await gateway.stop();
}, 120_000);

test('without that authority, and with another one, nobody is believed', async () => {
  const other = await ensureCertificates(join(folder, 'other'));
  for (const ca of [undefined, await readFile(other.caPath, 'utf8')]) {
    const given = ca === undefined ? {} : { ca };
    const connecting = connectNats({ servers: [natsUrl], name: 'test', logger, startTimeoutMs: 3_000, ...given });
    await expect(connecting).rejects.toThrow(/certificate/);
    const registry = await openRedisRegistry({ url: redisUrl, logger, ca, startTimeoutMs: 1_000 });
    await eventually(() => /certificate/.test(registry.fault ?? ''), 'Redis is not believed');
    expect(registry.connected).toBe(false);
    await registry.stop();
  }
}, 120_000);
