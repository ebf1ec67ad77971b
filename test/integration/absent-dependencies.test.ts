import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mainOf } from '@muster/local';
import { ensureBinary, freePort, startNats, type NatsHandle } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { TestProcess, type LogLine } from '@muster/testkit';
import { startHarness, type Harness } from '../kit/harness.js';

const SERVICES = ['gateway', 'query', 'command', 'api'] as const;
type ServiceKind = (typeof SERVICES)[number];
const NOWHERE = 'redis://nobody:hidden@127.0.0.1:1';

interface Readiness {
  readonly status: number;
  readonly checks: Readonly<
    Record<string, { readonly ok: boolean; readonly needed?: boolean; readonly detail?: string }>
  >;
}

/** A service that need not become ready, and what its health port says. */
interface Started {
  readonly process: TestProcess;
  readonly readiness: () => Promise<Readiness>;
}

let harness: Harness;
let folder: string;
const processes: TestProcess[] = [];
beforeAll(async () => {
  // For the secrets of its programs; its brokers are not used.
  harness = await startHarness();
  folder = await mkdtemp(join(tmpdir(), 'muster-absent-'));
});
afterAll(async () => {
  await Promise.all(processes.map((one) => one.kill()));
  await harness.close();
  await rm(folder, { recursive: true });
});

async function start(kind: ServiceKind, env: Readonly<Record<string, string>>): Promise<Started> {
  const secret = (name: string): string => join(harness.stack.folder, 'keys', name);
  const healthPort = await freePort();
  const process = new TestProcess({
    main: mainOf(kind),
    env: {
      ...{ MUSTER_HEALTH_HOST: '127.0.0.1', MUSTER_HEALTH_PORT: String(healthPort) },
      ...{
        MUSTER_GATEWAY_HOST: '127.0.0.1',
        MUSTER_GATEWAY_PORT: '0',
        MUSTER_API_HOST: '127.0.0.1',
        MUSTER_API_PORT: '0',
      },
      MUSTER_AGENT_TOKEN_KEYS_FILE: secret('agent-token-keys.json'),
      MUSTER_ENROLL_SECRETS_FILE: secret('enroll-secrets'),
      MUSTER_COMMAND_KEYS_FILE: secret('command-keys.json'),
      MUSTER_COMMAND_KEY_LIST_FILE: secret('command-key-list.jws'),
      MUSTER_REDIS_URL: NOWHERE,
      // These NATS have no streams, and one user.
      MUSTER_NATS_RIGHTS: 'all',
      ...env,
    },
  });
  processes.push(process);
  const readiness = async (): Promise<Readiness> => {
    const response = await fetch(`http://127.0.0.1:${healthPort}/readyz`);
    return { status: response.status, ...((await response.json()) as Pick<Readiness, 'checks'>) };
  };
  return { process, readiness };
}

/** Waits until `/readyz` says this of the broker, and that it is not ready. */
async function saysOfBroker({ readiness }: Started, detail: RegExp): Promise<void> {
  const matches = async (): Promise<boolean> => {
    const said = await readiness().catch(() => undefined);
    return (
      said?.status === 503 && said.checks['broker']?.ok === false && detail.test(said.checks['broker'].detail ?? '')
    );
  };
  await eventually(matches, `readyz: ${detail.source}`);
}

const becomesReady = ({ readiness }: Started): Promise<unknown> =>
  eventually(async () => (await readiness()).status === 200, 'ready');

/** These mostly wait, so they run concurrently. */
describe('a service whose dependency is absent says which, and goes on when it is there', () => {
  it.concurrent('NATS that is not there yet, for every service; Redis is told of, and not needed', async () => {
    const port = await freePort();
    const services = await Promise.all(
      SERVICES.map((kind) => start(kind, { MUSTER_NATS_URL: `nats://user:hidden@127.0.0.1:${port}` })),
    );
    for (const service of services) {
      await saysOfBroker(service, new RegExp(`^cannot reach nats at nats://127\\.0\\.0\\.1:${port}: .*refused`, 'i'));
      // What it prints arrives on another way than what it answers.
      const isWaiting = ({ msg, reason }: LogLine): boolean =>
        msg === 'waiting for nats' && String(reason).includes(String(port));
      await service.process.until(() => service.process.log.some(isWaiting));
    }
    const nats = await startNats({ dataDir: join(folder, 'late'), logger: silentLogger, port });
    await Promise.all(services.map(becomesReady));
    for (const { readiness, process } of services) {
      expect((await readiness()).checks['registry']).toMatchObject({
        ...{ ok: false, needed: false },
        detail: expect.stringMatching(/^redis at redis:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/),
      });
      expect(process.output).not.toContain('hidden');
    }
    await nats.stop();
    await Promise.all(
      services.map((service) => saysOfBroker(service, new RegExp(`the connection to nats at .*:${port} is lost`))),
    );
  });

  it.concurrent('a stop while it waits is clean', async () => {
    const waiting = await start('query', { MUSTER_NATS_URL: `nats://127.0.0.1:${await freePort()}` });
    await saysOfBroker(waiting, /cannot reach nats/);
    expect(await waiting.process.stop()).toBe(0);
  });

  it.concurrent('NATS without JetStream', async () => {
    const dataDir = join(folder, 'plain');
    let nats: NatsHandle = await startNats({ dataDir, logger: silentLogger, jetstream: false });
    const service = await start('query', { MUSTER_NATS_URL: nats.url });
    await saysOfBroker(service, /JetStream/i);
    await nats.stop();
    nats = await startNats({ dataDir, logger: silentLogger, port: Number(new URL(nats.url).port) });
    await becomesReady(service);
    await nats.stop();
  });

  it.concurrent('NATS that refuses the credentials', async () => {
    const port = await freePort();
    const program = await ensureBinary('nats-server', 'nats-server', { logger: silentLogger });
    const run = (password: string): ChildProcess => {
      const store = join(folder, 'locked');
      const login = ['--user', 'muster', '--pass', password];
      return spawn(program, ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', store, ...login], {
        stdio: 'ignore',
      });
    };
    const locked = run('other');
    const service = await start('query', { MUSTER_NATS_URL: `nats://muster:hidden@127.0.0.1:${port}` });
    await saysOfBroker(service, /nats at nats:\/\/127\.0\.0\.1:\d+ refuses our credentials/);
    locked.kill();
    await new Promise((resolve) => locked.once('exit', resolve));
    const open = run('hidden');
    await becomesReady(service);
    expect(service.process.output).not.toContain('hidden');
    open.kill();
  });

  it.concurrent.each([
    ['NATS', 'broker', (url: string) => ({ MUSTER_NATS_URL: `nats://${url}` })],
    [
      'Redis',
      'registry',
      (url: string) => ({ MUSTER_NATS_URL: harness.brokers.nats.url, MUSTER_REDIS_URL: `redis://${url}` }),
    ],
  ])('something else at the address of %s', async (_what, check, env) => {
    const server: Server = createServer((_request, response) => response.end('hello'));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    const service = await start('query', env(address));
    const told = async () => (await service.readiness().catch(() => undefined))?.checks[check]?.detail;
    expect(await eventually(async () => /: ./.test((await told()) ?? '') && told(), 'a reason')).toContain(address);
    expect(service.process.running).toBe(true);
    await service.process.kill();
    server.closeAllConnections();
    server.close();
  });

  it.concurrent.each(['gateway', 'api'] as const)('a TLS key that is not there, at the %s', async (kind) => {
    const cert = join(folder, 'tls.crt');
    await writeFile(cert, 'no certificate');
    const env = { MUSTER_TLS_CERT_FILE: cert, MUSTER_TLS_KEY_FILE: join(folder, 'nowhere.key') };
    const { process } = await start(kind, { ...env, MUSTER_NATS_URL: harness.brokers.nats.url });
    expect(await process.exited).toBe(2);
    expect(process.output).toMatch(/MUSTER_TLS_CERT_FILE names .*tls\.crt, which does not hold a certificate in PEM/);
    expect(process.output).toMatch(/MUSTER_TLS_KEY_FILE names .*nowhere\.key, which cannot be read \(ENOENT\)/);
  });
});
