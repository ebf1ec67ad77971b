import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { agentIdFromPublicKey } from '@muster/identity/agent';
import { completeProxies } from '../environment.js';
import type { TestProcess } from '@muster/testkit';
import { startAgentProgram } from '../testing/agent-program.js';
import { ConnectProxy } from '../testing/connect-proxy.js';
import { FakeGateway } from '../testing/fake-gateway.js';
import { OTHER_CA, TEST_CA, TEST_CERTIFICATE, TEST_KEY } from '../testing/tls-fixture.js';
import { authorities } from './authorities.js';

let folder: string;
const cleanups: (() => Promise<unknown> | void)[] = [];
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'muster-proxy-'))));
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  rmSync(folder, { recursive: true, force: true });
});

function start(args: readonly string[], env: Record<string, string>, via: readonly string[] = []): TestProcess {
  const program = startAgentProgram(args, env, via);
  cleanups.push(() => program.kill());
  return program;
}

async function startProxy(options?: { credentials?: string; forbids?: boolean }): Promise<ConnectProxy> {
  const proxy = await ConnectProxy.start(options);
  cleanups.push(() => proxy.stop());
  return proxy;
}

async function startGateway(tls = true): Promise<FakeGateway> {
  const gateway = await FakeGateway.start({
    ...(tls && { tls: { cert: TEST_CERTIFICATE, key: TEST_KEY } }),
    enrol: (_request, body) => {
      const agentId = agentIdFromPublicKey((body as { publicKey: string }).publicKey);
      return { status: 201, body: { agentId, num: 1, token: 'a-token', expiresAtMs: 1 } };
    },
  });
  cleanups.push(() => gateway.stop());
  return gateway;
}

const endOf = (gateway: FakeGateway): string => new URL(gateway.url).host;

function settings(gateway: FakeGateway, ca = TEST_CA): Record<string, string> {
  writeFileSync(join(folder, 'ca.pem'), ca);
  return {
    MUSTER_GATEWAY_URL: gateway.url.replace('/v1/live', ''),
    MUSTER_GATEWAY_CA: join(folder, 'ca.pem'),
    MUSTER_ENROLL_SECRET: 'sesame',
    MUSTER_DATA_DIR: join(folder, 'data'),
  };
}

describe('connections through a proxy', () => {
  test.each([
    ['without a password', undefined, ''],
    ['with a password', 'anna:s3cret!', 'anna:s3cret%21@'],
  ])('%s: enrolment and session go through it, encrypted as without it', async (_name, credentials, user) => {
    const proxy = await startProxy(credentials === undefined ? {} : { credentials });
    const gateway = await startGateway();
    // As most people write it: without a scheme, but for the password.
    const HTTPS_PROXY = `${user === '' ? '' : `http://${user}`}127.0.0.1:${proxy.port}`;
    const agent = start([], { ...settings(gateway), HTTPS_PROXY });
    await (await gateway.next()).welcome();
    await agent.printed('"msg":"session ready"');
    expect(proxy.asked).toEqual([endOf(gateway), endOf(gateway)]);
    expect(agent.output).not.toMatch(/s3cret/);
  });

  test('a poll session goes through one tunnel, and keeps it', async () => {
    const proxy = await startProxy();
    const gateway = await startGateway();
    const env = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`, MUSTER_AGENT_MODE: 'poll' };
    start([], { ...settings(gateway), ...env });
    const session = await gateway.nextPoll();
    session.pollAfterMs = 10;
    await session.welcome();
    await session.polled(4);
    // The enrolment, and the session.
    expect(proxy.asked).toEqual([endOf(gateway), endOf(gateway)]);
  });

  test('a plain gateway is reached through HTTP_PROXY, by a name that only the proxy knows', async () => {
    const proxy = await startProxy();
    const gateway = await startGateway(false);
    const { port } = new URL(gateway.url);
    const env = { ...settings(gateway), MUSTER_GATEWAY_URL: `http://gateway.internal:${port}` };
    const agent = start([], { ...env, http_proxy: `http://127.0.0.1:${proxy.port}` });
    await (await gateway.next()).welcome();
    await agent.printed('"msg":"session ready"');
    expect(proxy.asked[0]).toBe(`gateway.internal:${port}`);
  });

  test('a host in NO_PROXY is reached directly', async () => {
    const proxy = await startProxy({ forbids: true });
    const gateway = await startGateway();
    const env = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`, NO_PROXY: 'example.com,127.0.0.1' };
    const agent = start([], { ...settings(gateway), ...env });
    await (await gateway.next()).welcome();
    await agent.printed('"msg":"session ready"');
    expect(proxy.asked).toEqual([]);
  });

  test('after a refusal by the proxy the agent tries again later, and the answer is in the log', async () => {
    const proxy = await startProxy({ credentials: 'anna:right' });
    const gateway = await startGateway();
    const agent = start([], { ...settings(gateway), HTTPS_PROXY: `http://anna:wrong@127.0.0.1:${proxy.port}` });
    await agent.printed('enrol refused: 407');
    expect(gateway.upgrades).toBe(0);
    expect(agent.output).not.toMatch(/anna|wrong/);
  });

  test('an invalid proxy URL ends the program with a message that does not contain the password', async () => {
    const agent = start(['doctor'], { ...settings(await startGateway()), HTTPS_PROXY: 'socks5://anna:s3cret@proxy' });
    expect(await agent.exited).not.toBe(0);
    expect(agent.output).toContain('no URL of the form http://user:password@host:port');
    expect(agent.output).not.toContain('s3cret');
  });
});

describe('the doctor, where there is a proxy', () => {
  async function hops(gateway: FakeGateway, env: Record<string, string>): Promise<string> {
    const doctor = start(['doctor'], { ...settings(gateway), ...env });
    await doctor.exited;
    return doctor.output;
  }

  test('names the proxy as a hop', async () => {
    const gateway = await startGateway();
    const open = await startProxy();
    const way = await hops(gateway, { HTTPS_PROXY: `http://127.0.0.1:${open.port}` });
    expect(way).toMatch(
      /ok +dns[\s\S]*ok +tcp +connected to the proxy[\s\S]*ok +proxy[\s\S]*ok +tls[\s\S]*ok +upgrade/,
    );
    expect(way).not.toContain('FAIL');
  });

  test('says which of the hops fails, and why', async () => {
    const gateway = await startGateway();
    const closed = await hops(gateway, { HTTPS_PROXY: 'http://127.0.0.1:1' });
    expect(closed).toMatch(/ok +dns[\s\S]*FAIL +tcp/);
    const forbids = await startProxy({ forbids: true });
    const forbidden = await hops(gateway, { HTTPS_PROXY: `http://127.0.0.1:${forbids.port}` });
    expect(forbidden).toMatch(/ok +tcp[\s\S]*FAIL +proxy .*403 Forbidden by policy/);
    const locked = await startProxy({ credentials: 'anna:right' });
    const refused = await hops(gateway, { HTTPS_PROXY: `http://anna:wrong@127.0.0.1:${locked.port}` });
    expect(refused).toMatch(/FAIL +proxy .*407 Who are you[\s\S]*asks for Basic/);
    expect(refused).not.toMatch(/wrong/);
  });
});

describe('authorities that the agent trusts', () => {
  test('without a pinned authority, those of the system', async () => {
    const bundles = [join(folder, 'none.crt'), join(folder, 'system.crt')];
    writeFileSync(bundles[1]!, OTHER_CA);
    expect(authorities(undefined, {}, bundles)).toBe(OTHER_CA);
    writeFileSync(join(folder, 'extra.pem'), TEST_CA);
    const withExtra = authorities(undefined, { NODE_EXTRA_CA_CERTS: join(folder, 'extra.pem') }, bundles);
    expect(withExtra).toBe(`${OTHER_CA}\n${TEST_CA}`);
    expect(authorities(undefined, {}, [])).toBeUndefined();
  });

  test('those of SSL_CERT_FILE; but not beside a pinned one', async () => {
    const gateway = await startGateway();
    writeFileSync(join(folder, 'system.pem'), TEST_CA);
    const { MUSTER_GATEWAY_CA: _pinned, ...unpinned } = settings(gateway, OTHER_CA);
    const SSL_CERT_FILE = join(folder, 'system.pem');
    const trusting = start(['enroll'], { ...unpinned, SSL_CERT_FILE });
    expect([await trusting.exited, trusting.output]).toEqual([0, expect.stringContaining('enrolled as')]);
    const pinned = start(['enroll'], { ...settings(gateway, OTHER_CA), SSL_CERT_FILE });
    expect([await pinned.exited, pinned.output]).toEqual([1, expect.stringContaining('unable to')]);
  });
});

/**
 * Where this system keeps the authorities that its administrator trusts, when another file can be put in its place for
 * one program.
 */
const BUNDLE = ['/etc/ssl/certs/ca-certificates.crt', '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem'].find(
  (path) => existsSync(path) && spawnSync('unshare', ['--mount', 'mount', '--bind', path, path]).status === 0,
);
if (BUNDLE === undefined)
  process.stderr.write("skipped: this system's authorities cannot be changed for one program\n");

describe('authorities that the program trusts without a pinned one', () => {
  /** Enrols, and opens a session over Live. */
  async function startUnpinned(env: Record<string, string>, via: readonly string[] = []): Promise<TestProcess> {
    const gateway = await startGateway();
    const { MUSTER_GATEWAY_CA: _pinned, ...unpinned } = settings(gateway);
    const agent = start([], { ...unpinned, ...env }, via);
    void gateway.next().then((session) => session.welcome());
    return agent;
  }

  test('only those of the system', async () => {
    const agent = await startUnpinned({});
    await agent.printed('"msg":"no session"');
    expect(agent.output).toMatch(/unable to (verify|get)/);
  });

  test('those that NODE_EXTRA_CA_CERTS adds', async () => {
    const agent = await startUnpinned({ NODE_EXTRA_CA_CERTS: join(folder, 'ca.pem') });
    await agent.printed('"msg":"session ready"');
  });

  (BUNDLE === undefined ? test.skip : test)('those that an administrator added to the system', async () => {
    const script = `mount --bind "$0" ${BUNDLE} && exec "$@"`;
    const agent = await startUnpinned({}, ['unshare', '--mount', 'sh', '-c', script, join(folder, 'ca.pem')]);
    await agent.printed('"msg":"session ready"');
  });
});

describe('settings in a file', () => {
  test('are used where the environment has none', async () => {
    const gateway = await startGateway();
    const proxy = await startProxy();
    const file = join(folder, 'agent.env');
    const lines = Object.entries({
      ...settings(gateway),
      HTTPS_PROXY: `127.0.0.1:${proxy.port}`,
      MUSTER_ORG: 'not-this',
    });
    writeFileSync(file, `# Where it goes\n${lines.map(([name, value]) => `${name}="${value}"`).join('\n')}\n`);
    const enroll = start(['enroll', '--config', file], { MUSTER_ORG: 'acme' });
    expect([await enroll.exited, enroll.output]).toEqual([0, expect.stringMatching(/enrolled as \w+ .* in acme/)]);
    expect(proxy.asked).toEqual([endOf(gateway)]);
    expect(readFileSync(file, 'utf8')).toContain('sesame');
    const missing = start(['run', '--config', join(folder, 'nowhere.env')], {});
    expect([await missing.exited, missing.output]).toEqual([2, expect.stringContaining('nowhere.env')]);
  });

  test('a proxy without a scheme is used without TLS', () => {
    const env = { HTTPS_PROXY: 'proxy:3128', http_proxy: 'https://proxy', NO_PROXY: 'a,b', all_proxy: '' };
    completeProxies(env);
    expect(env).toEqual({
      HTTPS_PROXY: 'http://proxy:3128',
      http_proxy: 'https://proxy',
      NO_PROXY: 'a,b',
      all_proxy: '',
    });
  });
});
