import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ConnectProxy } from '@muster/agent/testing/connect-proxy';
import { type CertificateFiles, ensureCertificates } from '@muster/local';
import { LIMITS } from '@muster/protocol';
import { AgentProcess } from '../kit/agent-process.js';
import { CuttingRelay } from '../kit/cutting-relay.js';
import { startHaproxy } from '../kit/haproxy.js';
import { openLab, type Lab } from '../kit/lab.js';

/**
 * The real agent and real gateways with something between them. Most of this is waiting, so all of it waits at the same time.
 */

/** Longer than three heartbeats, and than twice the timeouts that are usual. */
const IDLE_MS = 80_000;
const TIMEOUT_MS = 120_000;

let lab: Lab;
let folder: string;
let files: CertificateFiles;
let tls: { cert: string; key: string };
/** `host:port` of two gateways with TLS, over uws, and of two without, over ws. */
let secure: [string, string];
let plain: [string, string];
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-proxies-'));
  files = await ensureCertificates(folder);
  tls = { cert: await readFile(files.certPath, 'utf8'), key: await readFile(files.keyPath, 'utf8') };
  lab = await openLab({ gateways: 0, env: { gateway: { MUSTER_TRUSTED_PROXIES: '127.0.0.1' } } });
  const withTls = { MUSTER_TLS_CERT_FILE: files.certPath, MUSTER_TLS_KEY_FILE: files.keyPath };
  const start = async (env: Record<string, string>): Promise<string> =>
    new URL((await lab.stack.addGateway(env)).url).host;
  const hosts = await Promise.all([
    start({ ...withTls, MUSTER_GATEWAY_TRANSPORT: 'uws' }),
    start({ ...withTls, MUSTER_GATEWAY_TRANSPORT: 'uws' }),
    start({ MUSTER_GATEWAY_TRANSPORT: 'ws' }),
    start({ MUSTER_GATEWAY_TRANSPORT: 'ws' }),
  ]);
  secure = [hosts[0], hosts[1]];
  plain = [hosts[2], hosts[3]];
}, 60_000);
afterAll(async () => {
  await Promise.all(cleanups.splice(0).map((cleanup) => cleanup()));
  await lab.close();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

function atEnd<T extends { stop(): Promise<unknown> }>(started: T): T {
  cleanups.push(() => started.stop());
  return started;
}

function startAgent(name: string, address: string, env: Record<string, string> = {}): AgentProcess {
  return atEnd(new AgentProcess(lab, { name, gatewayUrl: `wss://${address}`, caPath: files.caPath, env }));
}

async function answers(agent: AgentProcess): Promise<void> {
  const { ledger, state } = await agent.query('SELECT 1 AS one');
  expect([agent.name, state, ledger]).toMatchObject([agent.name, 'complete', { targeted: 1, answered: 1 }]);
}

describe('HTTP CONNECT', () => {
  const start = async (options?: Parameters<typeof ConnectProxy.start>[0]): Promise<ConnectProxy> =>
    atEnd(await ConnectProxy.start(options));

  test.concurrent.each([
    ['open', undefined, ''],
    ['locked', 'anna:s3cret!', 'anna:s3cret%21@'],
  ])('%s: enrolment, session and answers go through it, encrypted end to end', async (name, credentials, user) => {
    const proxy = await start(credentials === undefined ? {} : { credentials });
    const HTTPS_PROXY = `http://${user}127.0.0.1:${proxy.port}`;
    const agent = startAgent(`connect-${name}`, secure[0], { HTTPS_PROXY });
    await agent.ready();
    await answers(agent);
    // One tunnel for the enrolment, one for the session.
    expect(proxy.asked).toEqual([secure[0], secure[0]]);
    expect(agent.program.output()).not.toContain('s3cret');
  });

  test.concurrent('with a wrong password there is no session, and the log says why without it', async () => {
    const proxy = await start({ credentials: 'anna:right' });
    const agent = startAgent('connect-wrong', secure[0], { HTTPS_PROXY: `http://anna:wr0ng@127.0.0.1:${proxy.port}` });
    await agent.program.printed('enrol refused: 407');
    expect([agent.sessions, agent.program.output().includes('wr0ng')]).toEqual([[], false]);
  });

  test.concurrent('a gateway that NO_PROXY names is reached directly', async () => {
    const proxy = await start({ forbids: true });
    const env = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`, NO_PROXY: 'example.com,127.0.0.1' };
    const agent = startAgent('no-proxy', secure[0], env);
    await agent.ready();
    await answers(agent);
    expect(proxy.asked).toEqual([]);
  });
});

const SHORT = [['timeout tunnel          1h', 'timeout tunnel         30s']] as const;

describe('what cuts idle connections', () => {
  /** It is not asked anything for a while, has the one session all the time, and answers then. */
  async function idlesAndAnswers(name: string, address: string): Promise<void> {
    const agent = startAgent(name, address);
    await agent.ready();
    await delay(IDLE_MS);
    expect([agent.sessions, agent.log.filter(({ msg }) => msg === 'session ended')]).toEqual([['live'], []]);
    await answers(agent);
    expect(agent.sessions).toEqual(['live']);
  }

  test.concurrent(
    'HAProxy with 30 s for everything, TLS passed through',
    async () => {
      const { address } = atEnd(await startHaproxy(secure, 'haproxy-passthrough.cfg', '', SHORT));
      await idlesAndAnswers('idle-passthrough', address);
    },
    TIMEOUT_MS,
  );

  test.concurrent(
    'HAProxy with 30 s for everything, TLS ended there',
    async () => {
      const pem = join(folder, 'both.pem');
      await writeFile(pem, tls.cert + tls.key, { mode: 0o600 });
      const { address } = atEnd(await startHaproxy(plain, 'haproxy.cfg', `ssl crt ${pem} alpn http/1.1`, SHORT));
      await idlesAndAnswers('idle-ended', address);
    },
    TIMEOUT_MS,
  );

  test.concurrent(
    'one that cuts when either direction is silent for 60 s: the agent says something in every heartbeat, the gateway in every second one',
    async () => {
      const relay = atEnd(await CuttingRelay.start({ port: portOf(secure[0]), silenceMs: 60_000 }));
      await idlesAndAnswers('idle-directions', relay.address);
      expect(relay.cuts).toBe(0);
      const { fromAgent, fromGateway } = relay.longestSilenceMs;
      expect(fromAgent).toBeLessThan(LIMITS.heartbeatMs + 2_000);
      expect(fromGateway).toBeLessThan(2 * LIMITS.heartbeatMs + 2_000);
    },
    TIMEOUT_MS,
  );
});

function portOf(host: string): number {
  return Number(host.split(':')[1]);
}
