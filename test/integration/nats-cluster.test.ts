import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureBinary, freePort, natsAnswers } from '@muster/local/brokers';
import { ensureInstallation, writeSecretFolders } from '@muster/local/secrets';
import { silentLogger as logger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { renderWith } from '../kit/manifests/render.js';

const COMPOSE = fileURLToPath(new URL('../../../deploy/compose/nats.conf', import.meta.url));
const SHIPPED = {
  compose: { config: () => readFile(COMPOSE, 'utf8'), host: (n: number) => `nats-${n + 1}:6222` },
  kubernetes: {
    config: async () => (await renderWith(['nats'])).flatMap(({ data }) => data?.['nats.conf'] ?? []).join('\n'),
    host: (n: number) => `muster-nats-${n}.muster-nats:6222`,
  },
};

interface Server {
  readonly name: string;
  readonly port: number;
  readonly monitorPort: number;
  readonly routePort: number;
}

/** Real servers with the configurations that are shipped; only addresses, ports and folders are those of this machine. */
describe.each(['compose', 'kubernetes'] as const)('the NATS servers of %s', (where) => {
  let folder: string;
  let program: string;
  let servers: Server[];
  let running: Map<string, ChildProcess>;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'muster-nats-cluster-'));
    program = await ensureBinary('nats-server', 'nats-server', { logger });
    running = new Map();
    servers = await Promise.all([0, 1, 2].map((n) => newServer(`server-${n}`)));
    await writeSecrets();
  });
  afterEach(async () => {
    await Promise.all([...running.values()].map(ended));
    await rm(folder, { recursive: true, force: true });
  });

  const newServer = async (name: string): Promise<Server> => {
    const [port, monitorPort, routePort] = await Promise.all([freePort(), freePort(), freePort()]);
    return { name, port, monitorPort, routePort };
  };

  /** What `npm run secrets` writes, with the ports of this machine. */
  async function writeSecrets(rotateBrokers = false): Promise<void> {
    const options = { folder: join(folder, 'installation'), org: 'default', names: ['localhost'], rotateBrokers };
    await writeSecretFolders(join(folder, 'secrets'), await ensureInstallation(options));
    for (const file of ['compose-routes.conf', 'cluster-routes.conf']) {
      const path = join(folder, 'secrets/muster-nats-users', file);
      let text = await readFile(path, 'utf8');
      for (const [n, { routePort }] of servers.entries())
        text = text.replace(SHIPPED[where].host(n), `127.0.0.1:${routePort}`);
      await writeFile(path, text);
    }
  }

  async function start(server: Server, change = (text: string): string => text): Promise<void> {
    const shipped = (await SHIPPED[where].config()).replaceAll(
      /listen: 0\.0\.0\.0:6222/g,
      `listen: 127.0.0.1:${server.routePort}`,
    );
    const config = shipped
      .replace(/server_name: \S+/, `server_name: ${server.name}`)
      .replace('0.0.0.0:4222', `127.0.0.1:${server.port}`)
      .replace(/http: \S+/, `http: 127.0.0.1:${server.monitorPort}`)
      .replace('../nats-users/', '../secrets/muster-nats-users/')
      .replace('../nats-users/', '../secrets/muster-nats-users/')
      .replace('/data', join(folder, server.name))
      .replace(/max_file_store: \S+/, 'max_file_store: 100MB');
    await mkdir(join(folder, 'config'), { recursive: true });
    const path = join(folder, 'config', `${server.name}.conf`);
    await writeFile(path, change(config));
    const child = spawn(program, ['-c', path, '-l', join(folder, `${server.name}.log`)], { stdio: 'ignore' });
    running.set(server.name, child);
  }

  /** How many other servers it is connected to, by however many connections. */
  const routes = async ({ monitorPort }: Server): Promise<number> => {
    const response = await fetch(`http://127.0.0.1:${monitorPort}/routez`).catch(() => undefined);
    const answer = ((await response?.json()) ?? {}) as { routes?: { remote_id: string }[] };
    return new Set(answer.routes?.map(({ remote_id }) => remote_id)).size;
  };
  const formCluster = async (): Promise<void> => {
    for (const server of servers)
      await eventually(async () => (await routes(server)) === 2, `${server.name} has both routes`, 20_000);
  };
  const login = async (user: string) => ({
    user,
    password: (await readFile(join(folder, `secrets/muster-${user}-brokers/nats-password`), 'utf8')).trim(),
  });

  test('form a cluster, and a server without the password of routes does not get in', async () => {
    for (const server of servers) await start(server);
    await formCluster();
    expect(await natsAnswers(servers[0]!.port, await login('gateway'))).toBe(true);

    // It has what everybody can read, and lets everybody in.
    const stranger = await newServer('stranger');
    await start(stranger, (text) =>
      text
        .replace(/include "[^"]*users.conf"/, '')
        .replace(
          /include "[^"]*routes.conf"/,
          `routes: [${servers.map((one) => `nats://127.0.0.1:${one.routePort}`).join()}]`,
        ),
    );
    const refused = async (): Promise<boolean> =>
      /Authorization Violation/i.test(await readFile(join(folder, 'stranger.log'), 'utf8').catch(() => ''));
    await eventually(refused, 'the stranger is refused', 20_000);
    expect(await routes(stranger)).toBe(0);
    await formCluster();
  }, 120_000);

  test('take new passwords at SIGHUP, the one of their routes too', async () => {
    for (const server of servers) await start(server);
    await formCluster();
    const before = await login('gateway');
    await writeSecrets(true);
    for (const child of running.values()) child.kill('SIGHUP');
    for (const { port } of servers) {
      await eventually(async () => natsAnswers(port, await login('gateway')), 'the new password is taken');
      expect(await natsAnswers(port, before)).toBe(false);
    }
    await formCluster();
    // One that comes back has to show the new password of routes.
    await ended(running.get('server-2'));
    await start(servers[2]!);
    await formCluster();
  }, 120_000);

  test('are upgraded one by one from a configuration whose routes were open', async () => {
    const hosts = servers.map((one) => `nats://127.0.0.1:${one.routePort}`).join();
    const open = (text: string): string => text.replace(/include "[^"]*routes.conf"/, `routes: [${hosts}]`);
    for (const server of servers) await start(server, open);
    await formCluster();
    for (const server of servers) {
      await ended(running.get(server.name));
      await start(server);
      await formCluster();
    }
  }, 120_000);

  test('tell nobody outside of their container or pod what is subscribed to', async () => {
    const config = await SHIPPED[where].config();
    if (where === 'compose') expect(config).toContain('http: 127.0.0.1:8222');
    else {
      const policy = (await renderWith(['nats'])).find(
        ({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name === 'muster-nats',
      );
      expect(JSON.stringify(policy?.spec ?? 'monitor')).not.toMatch(/monitor|8222/);
    }
  });
});

async function ended(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGKILL');
  await once(child, 'exit');
}
