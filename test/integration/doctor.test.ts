import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { TestProcess } from '@muster/testkit';
import { AGENT_MAIN } from '../kit/agent-process.js';
import { ConnectProxy } from '@muster/agent/testing/connect-proxy';
import { type CertificateFiles, ensureCertificates } from '@muster/local';
import { freePort } from '@muster/local/brokers';
import { ProxyHarness, readPair } from '../kit/proxy-harness.js';
import { UpgradeProxy, type UpgradeTreatment } from '../kit/upgrade-proxy.js';

let proxies: ProxyHarness;
beforeAll(async () => {
  proxies = await ProxyHarness.open();
  const { code, output } = await runAgent('enroll', { at: proxies.secure[0] });
  if (code !== 0) throw new Error(output);
});
afterAll(() => proxies.close());

const connectProxy = async (options?: Parameters<typeof ConnectProxy.start>[0]): Promise<ConnectProxy> =>
  proxies.atEnd(await ConnectProxy.start(options));
const upgradeProxy = async (upgrades: UpgradeTreatment, tls = proxies.tls): Promise<UpgradeProxy> =>
  proxies.atEnd(await UpgradeProxy.start({ tls, gateways: proxies.plain, upgrades }));

/** A setup that fails at each hop: the agent's gateway address and other settings. */
interface Setup {
  readonly at: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** For each setup: the expected hops, with the failing one in capitals, and the expected advice. */
const DOCTOR: [string, () => Setup | Promise<Setup>, hops: string, advice: RegExp][] = [
  ['a way that is well', () => ({ at: proxies.secure[0] }), 'dns tcp tls upgrade ping poll', /a session was opened/],
  [
    'a working proxy',
    async () => ({
      at: proxies.secure[0],
      env: through(await connectProxy({ credentials: 'anna:right' }), 'anna:right@'),
    }),
    'dns tcp proxy tls upgrade ping poll',
    /connected to the proxy/,
  ],
  ['a name that is none', () => ({ at: 'gateway.invalid' }), 'DNS', /does "gateway\.invalid" exist/],
  ['a port that is closed', async () => ({ at: `127.0.0.1:${await freePort()}` }), 'dns TCP', /a firewall may block/],
  [
    'a wrong password for the proxy',
    async () => ({
      at: proxies.secure[0],
      env: through(await connectProxy({ credentials: 'anna:right' }), 'anna:no@'),
    }),
    'dns tcp PROXY',
    /407[^]*wants a user and a password/,
  ],
  [
    'an unknown authority',
    async () => ({ at: proxies.secure[0], env: { MUSTER_GATEWAY_CA: (await certificates('another')).caPath } }),
    'dns tcp TLS',
    /is MUSTER_GATEWAY_CA the authority/,
  ],
  [
    'a certificate that has expired',
    async () => {
      const files = await certificates('expired', Date.now() - 400 * 86_400_000);
      const { address } = await upgradeProxy('pass', await readPair(files));
      return { at: address, env: { MUSTER_GATEWAY_CA: files.caPath } };
    },
    'dns tcp TLS',
    /must be renewed/,
  ],
  [
    'a certificate with another name',
    async () => ({
      at: `gateway.internal:${new URL(`https://${proxies.secure[0]}`).port}`,
      env: through(await connectProxy()),
    }),
    'dns tcp proxy TLS',
    /must have a name that is in the certificate/,
  ],
  [
    'a proxy that refuses upgrades',
    async () => ({ at: (await upgradeProxy({ status: 403, body: 'no' })).address }),
    'dns tcp tls UPGRADE poll',
    /not from a gateway: 403[^]*may not pass WebSocket upgrades[^]*the agent will poll/,
  ],
  [
    'a proxy that strips the upgrade',
    async () => ({ at: (await upgradeProxy('strip')).address }),
    'dns tcp tls UPGRADE poll',
    /426 upgrade_required[^]*may not pass WebSocket upgrades[^]*the agent will poll/,
  ],
  [
    'a proxy that upgrades and lets no ping pass',
    async () => ({ at: (await upgradeProxy('hold')).address }),
    'dns tcp tls upgrade PING poll',
    /blocks WebSocket frames[^]*the agent will poll/,
  ],
];

function through(proxy: ConnectProxy, user = ''): Record<string, string> {
  return { HTTPS_PROXY: `http://${user}127.0.0.1:${proxy.port}` };
}

function certificates(name: string, nowMs?: number): Promise<CertificateFiles> {
  return ensureCertificates(join(proxies.folder, name), nowMs);
}

async function runAgent(command: string, { at, env }: Setup): Promise<{ code: number | null; output: string }> {
  const { stack } = proxies.harness;
  const program = new TestProcess({
    main: AGENT_MAIN,
    args: [command],
    env: {
      MUSTER_GATEWAY_URL: `wss://${at}`,
      MUSTER_GATEWAY_CA: proxies.files.caPath,
      MUSTER_ORG: stack.org,
      MUSTER_ENROLL_SECRET: stack.enrollSecret,
      MUSTER_DATA_DIR: join(proxies.folder, 'patient'),
      ...env,
    },
  });
  return { code: await program.exited, output: program.output };
}

describe('muster-agent doctor, with real gateways and proxies in front of them', () => {
  test.concurrent.each(DOCTOR)('%s', async (_what, setUp, hops, advice) => {
    const { code, output } = await runAgent('doctor', await setUp());
    const found = [...output.matchAll(/^ {2}(ok|FAIL) +(\w+)/gm)];
    // The hop that fails is in capitals.
    expect(found.map(([, how, hop = '']) => (how === 'ok' ? hop : hop.toUpperCase())).join(' ')).toBe(hops);
    expect(output).toMatch(advice);
    expect(code).toBe(hops === hops.toLowerCase() ? 0 : 1);
  });
});
