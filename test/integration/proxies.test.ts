import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { followCommand, runQuery } from '@muster/api-client';
import type { LedgerJson } from '@muster/api-contract';
import { ConnectProxy } from '@muster/agent/testing/connect-proxy';
import { ledgerBalances, LIMITS } from '@muster/protocol';
import type { AgentProcess } from '../kit/agent-process.js';
import { TcpRelay } from '@muster/testkit';
import { eventually } from '@muster/runtime/testing';
import { startHaproxy } from '../kit/haproxy.js';
import { ProxyHarness } from '../kit/proxy-harness.js';
import { seededUnit } from '../simulator/machine/seeded.js';
import { UpgradeProxy, type UpgradeTreatment } from '../kit/upgrade-proxy.js';

/** Longer than three heartbeats of the gateway, and than twice the usual timeouts of proxies. */
const IDLE_MS = 77_000;
const CUTS_MS = 45_000;
/** An answer of several frames. */
const ROWS = 2_000;
const SQL = `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${ROWS}) SELECT i, hex(zeroblob(60)) AS pad FROM n`;

let proxies: ProxyHarness;
beforeAll(async () => void (proxies = await ProxyHarness.open()));
afterAll(() => proxies.close());

const connectProxy = async (options?: Parameters<typeof ConnectProxy.start>[0]): Promise<ConnectProxy> =>
  proxies.atEnd(await ConnectProxy.start(options));
const upgradeProxy = async (upgrades: UpgradeTreatment, tls = proxies.tls): Promise<UpgradeProxy> =>
  proxies.atEnd(await UpgradeProxy.start({ tls, gateways: proxies.plain, upgrades }));
const portOf = (host: string): number => Number(host.split(':')[1]);

/** These tests mostly wait, so they run concurrently, the longest first. */
describe('the real agent and real gateways, with a proxy in between', () => {
  const SHORT = [['timeout tunnel          1h', 'timeout tunnel         30s']] as const;

  /** The agent idles, keeps its one session, and then answers. */
  async function idlesAndAnswers(name: string, address: string): Promise<void> {
    const agent = proxies.startAgent(name, address);
    await agent.ready();
    await delay(IDLE_MS);
    expect([agent.sessions, agent.log.filter(({ msg }) => msg === 'session ended')]).toEqual([['live'], []]);
    await answers(agent);
    expect(agent.sessions).toEqual(['live']);
  }

  test.concurrent('HAProxy with timeouts of 30 s, TLS passthrough: an idle agent keeps its session', async () => {
    const { address } = proxies.atEnd(await startHaproxy(proxies.secure, 'haproxy-passthrough.cfg', '', SHORT));
    await idlesAndAnswers('idle-passthrough', address);
  });

  test.concurrent('HAProxy with timeouts of 30 s, TLS terminated: an idle agent keeps its session', async () => {
    const pem = join(proxies.folder, 'both.pem');
    await writeFile(pem, proxies.tls.cert + proxies.tls.key, { mode: 0o600 });
    const bind = `ssl crt ${pem} alpn http/1.1`;
    const { address } = proxies.atEnd(await startHaproxy(proxies.plain, 'haproxy.cfg', bind, SHORT));
    await idlesAndAnswers('idle-ended', address);
  });

  test.concurrent(
    'a relay that cuts when either direction is silent for 60 s: an idle agent keeps its session',
    async () => {
      const relay = proxies.atEnd(await TcpRelay.start({ port: portOf(proxies.secure[0]), silenceMs: 60_000 }));
      await idlesAndAnswers('idle-directions', relay.address);
      expect(relay.cuts).toBe(0);
      const { in: fromGateway, out: fromAgent } = relay.longestSilenceMs;
      expect(fromAgent).toBeLessThan(LIMITS.pairedHeartbeatMs + 2_000);
      expect(fromGateway).toBeLessThan(LIMITS.gatewayHeartbeatMs + 2_000);
    },
  );

  test.concurrent(
    'a relay that cuts at random: every ledger balances, every command runs once, and the agent answers afterwards',
    async () => {
      let isCutting = true;
      let cut = 0;
      const nextCutMs = (): number | undefined => (isCutting ? 200 + seededUnit(1, cut++, 'cut') * 4_000 : undefined);
      const relay = proxies.atEnd(await TcpRelay.start({ port: portOf(proxies.secure[0]), nextCutMs }));
      const agent = proxies.startAgent('random', relay.address);
      await agent.ready();
      const agentId = await agent.agentId();
      const untilMs = performance.now() + CUTS_MS;
      const [answered, commands] = await Promise.all([
        askUntil(agent, untilMs),
        quarantineUntil(agentId, join(proxies.folder, 'victims'), untilMs),
      ]);
      isCutting = false;
      await eventually(
        async () => (await agent.query('SELECT 1 AS one', '5s')).ledger.answered === 1,
        'the agent answers',
        60_000,
      );
      await expectRunOnce(agent, commands);
      process.stderr.write(
        `${relay.cuts} cuts, ${agent.sessions.length} sessions, ${answered} answers, ${commands.size} commands\n`,
      );
      expect(relay.cuts).toBeGreaterThan(3);
      expect(answered).toBeGreaterThan(3);
    },
  );

  test.concurrent.each<[string, UpgradeTreatment]>([
    ['never answers an upgrade', 'never'],
    ['upgrades and then lets nothing pass', 'hold'],
  ])('a proxy that %s: the agent polls', async (name, upgrades) => {
    const proxy = await upgradeProxy(upgrades);
    const agent = proxies.startAgent(`silent-${name.split(' ', 1)[0]}`, proxy.address);
    await agent.until(({ sessions }) => sessions.includes('poll'));
    await answers(agent);
    const why = 'given up before it was ready: no_session_in_time';
    expect(await agent.seen()).toMatchObject({ mode: 'poll', away: { mode: 'poll', failures: 3, why } });
  });

  test.concurrent.each<[string, UpgradeTreatment, string]>([
    ['page', { status: 200, headers: { 'content-type': 'text/html' }, body: '<h1>Welcome</h1>' }, '200'],
    ['bad', { status: 400 }, '400'],
    ['forbidden', { status: 403, body: 'blocked by policy' }, '403'],
    ['broken', { status: 502 }, '502'],
    ['strip', 'strip', '426 upgrade_required'],
  ])(
    'a proxy that does not upgrade (%s): the agent polls, reports why, and returns to Live when the proxy works',
    async (name, upgrades, status) => {
      const proxy = await upgradeProxy(upgrades);
      const agent = proxies.startAgent(`upgrade-${name}`, proxy.address);
      await agent.ready();
      await answers(agent);
      const why = expect.stringContaining(`the upgrade was answered with ${status}`);
      expect(await agent.seen()).toMatchObject({ mode: 'poll', away: { mode: 'poll', failures: 3, why } });
      expect(agent.sessions).toEqual(['poll']);
      proxy.upgrades = 'pass';
      await agent.ready(2);
      expect(agent.sessions).toEqual(['poll', 'live']);
      await eventually(
        async () => (await agent.seen()).away?.mode === 'live',
        'it reports that it is back on Live',
        10_000,
      );
      expect(await agent.seen()).toMatchObject({ mode: 'live', away: { mode: 'live', why } });
      await answers(agent);
      // The old session was left only after the new one was ready.
      expect(agent.log.filter(({ msg }) => msg === 'session ended')).toEqual([]);
    },
  );

  test.concurrent('a proxy that buffers whole bodies and forwards them in chunks: nothing is missing', async () => {
    const { plain, tls } = proxies;
    const options = { tls, gateways: plain, upgrades: { status: 502 }, chunks: true, holdsMs: 50 };
    const proxy = proxies.atEnd(await UpgradeProxy.start(options));
    const agent = proxies.startAgent('buffered', proxy.address);
    await agent.ready();
    expect(await askOnce(agent)).toBe(true);
    expect(agent.sessions).toEqual(['poll']);
  });

  test.concurrent(
    'a load balancer that cuts every WebSocket after a second: the agent polls, and returns to Live when it works',
    async () => {
      const proxy = await upgradeProxy({ cutAfterMs: 1_000 });
      const agent = proxies.startAgent('cut', proxy.address);
      await agent.ready(4);
      expect(agent.sessions.slice(0, 4)).toEqual(['live', 'live', 'live', 'poll']);
      const isAway = async (): Promise<boolean> => {
        const { away, mode } = await agent.seen();
        return mode === 'poll' && away?.why === 'the connection was cut after 1 s';
      };
      await eventually(isAway, 'it polls and reports why');
      proxy.upgrades = 'pass';
      const isBack = async (): Promise<boolean> => {
        const { away, mode } = await agent.seen();
        return mode === 'live' && away?.mode === 'live' && away.failures >= 3;
      };
      await eventually(isBack, 'it is back on Live, and reports it', 90_000);
      await answers(agent);
    },
  );

  test.concurrent.each([
    ['open', undefined, ''],
    ['locked', 'anna:s3cret!', 'anna:s3cret%21@'],
  ])('HTTP CONNECT, %s: enrolment, session and answers go through it, encrypted', async (name, credentials, user) => {
    const proxy = await connectProxy(credentials === undefined ? {} : { credentials });
    const HTTPS_PROXY = `http://${user}127.0.0.1:${proxy.port}`;
    const agent = proxies.startAgent(`connect-${name}`, proxies.secure[0], { HTTPS_PROXY });
    await agent.ready();
    await answers(agent);
    // One tunnel for the enrolment, one for the session.
    expect(proxy.asked).toEqual([proxies.secure[0], proxies.secure[0]]);
    expect(agent.program.output).not.toContain('s3cret');
  });

  test.concurrent(
    'HTTP CONNECT with a wrong password: no session, and the log has the reason without the password',
    async () => {
      const proxy = await connectProxy({ credentials: 'anna:right' });
      const HTTPS_PROXY = `http://anna:wr0ng@127.0.0.1:${proxy.port}`;
      const agent = proxies.startAgent('connect-wrong', proxies.secure[0], { HTTPS_PROXY });
      await agent.program.printed('enrol refused: 407');
      expect([agent.sessions, agent.program.output.includes('wr0ng')]).toEqual([[], false]);
    },
  );

  test.concurrent('a gateway that NO_PROXY names is reached directly', async () => {
    const proxy = await connectProxy({ forbids: true });
    const env = { HTTPS_PROXY: `http://127.0.0.1:${proxy.port}`, NO_PROXY: 'example.com,127.0.0.1' };
    const agent = proxies.startAgent('no-proxy', proxies.secure[0], env);
    await agent.ready();
    await answers(agent);
    expect(proxy.asked).toEqual([]);
  });
});

async function answers(agent: AgentProcess): Promise<void> {
  const { ledger, state } = await agent.query('SELECT 1 AS one');
  expect([agent.name, state, ledger]).toMatchObject([agent.name, 'complete', { targeted: 1, answered: 1 }]);
}

function expectBalanced(ledger: LedgerJson): void {
  expect([ledger, ledgerBalances(ledger)]).toEqual([ledger, true]);
}

/** Queries the agent. Its answer must be complete and unique, or missing. Returns whether it answered. */
async function askOnce(agent: AgentProcess): Promise<boolean> {
  const { api } = proxies.harness;
  const query = { sql: SQL, mode: 'raw', selector: `case=${agent.name}`, timeout: '10s' } as const;
  const ended = await runQuery(api, query, expectBalanced);
  expectBalanced(ended.ledger);
  expect([ended.ledger.waiting, ended.truncated]).toEqual([0, undefined]);
  const rows = await api.all('GET /v1/queries/{id}/rows', { params: { id: ended.id }, pageSize: 1000 });
  const found = rows.map(({ values: [i] }) => Number(i)).toSorted((a, b) => a - b);
  const isAnswered = ended.ledger.answered === 1;
  expect(found).toEqual(isAnswered ? Array.from({ length: ROWS }, (_, i) => i + 1) : []);
  return isAnswered;
}

/** Queries the agent until then. Returns how often it answered. */
async function askUntil(agent: AgentProcess, untilMs: number): Promise<number> {
  let answered = 0;
  while (performance.now() < untilMs) if (await askOnce(agent)) answered += 1;
  return answered;
}

/** Quarantines one file after another until then. Returns the files by command. */
async function quarantineUntil(agentId: string, folder: string, untilMs: number): Promise<Map<string, string>> {
  const commands = new Map<string, string>();
  await mkdir(folder);
  while (performance.now() < untilMs) {
    const path = join(folder, String(commands.size));
    await writeFile(path, path);
    const body = { action: 'file.quarantine', params: { path }, target: { agentIds: [agentId] }, expiresIn: '5m' };
    commands.set((await proxies.harness.api.call('POST /v1/commands', { body })).id, path);
    await delay(500);
  }
  return commands;
}

/** Expects that each command has succeeded, and that the agent's own history has one start of it. */
async function expectRunOnce(agent: AgentProcess, commands: ReadonlyMap<string, string>): Promise<void> {
  const { api } = proxies.harness;
  for (const [id, path] of commands) {
    const { ledger } = await followCommand(api, id);
    const targets = await api.all('GET /v1/commands/{id}/targets', { params: { id } });
    expect([path, ledger, targets]).toMatchObject([path, { targeted: 1, succeeded: 1 }, [{ state: 'succeeded' }]]);
    expect([path, existsSync(path)]).toEqual([path, false]);
  }
  const lines = (await readFile(join(agent.folder, 'commands.log'), 'utf8')).trim().split('\n');
  const entries = lines.map((line) => JSON.parse(line) as { t: string; id: string });
  const begun = entries.filter(({ t }) => t === 'started').map(({ id }) => id);
  expect(begun.toSorted()).toEqual([...commands.keys()].toSorted());
}
