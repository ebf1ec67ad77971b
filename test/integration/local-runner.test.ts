import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { natsAnswers, redisAnswers } from '@muster/local/brokers';
import { eventually } from '@muster/runtime/testing';
import { TestProcess } from '@muster/testkit';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const RUNNER = join(ROOT, 'deploy/local/dist/main.js');
const MUSTER = join(ROOT, 'services/cli/bin/muster.js');

interface LocalFile {
  readonly apiUrl: string;
  readonly gatewayUrls: readonly string[];
  readonly pids: Readonly<Record<string, number>>;
  readonly prometheusUrl?: string;
  readonly natsUrl: string;
  readonly redisUrl: string;
}

let folder: string;
let runner: Runner | undefined;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-run-'));
});
afterEach(async () => {
  await runner?.end('SIGTERM');
  runner = undefined;
  await rm(folder, { recursive: true, force: true });
});

/** The local runner in a folder of its own, without the build that `npm start` does first. */
class Runner extends TestProcess {
  constructor(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}) {
    super({ main: RUNNER, args, cwd: folder, env: { ...(process.env as Record<string, string>), ...env } });
  }

  async up(): Promise<LocalFile> {
    await this.printed('Ctrl-C stops everything');
    return localFile();
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    this.signal(signal);
    return this.exited;
  }
}

async function localFile(): Promise<LocalFile> {
  return JSON.parse(await readFile(join(folder, '.muster/local.json'), 'utf8')) as LocalFile;
}

async function muster(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const env = { PATH: process.env['PATH'], HOME: folder };
  const child = spawn(process.execPath, [MUSTER, ...args], { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, err] = ['', ''];
  child.stdout.on('data', (part) => (out += String(part)));
  child.stderr.on('data', (part) => (err += String(part)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, out, err };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const aliveOf = ({ pids }: LocalFile): string[] =>
  Object.entries(pids).flatMap(([name, pid]) => (isAlive(pid) ? [name] : []));

/** Whoever has no password is refused, and nobody else on this machine can read one. */
async function expectLockedBrokers({ natsUrl, redisUrl, pids }: LocalFile): Promise<void> {
  const loginOf = ({ username: user, password }: URL) => ({ user, password });
  const [nats, redis] = [new URL(natsUrl), new URL(redisUrl)];
  expect(await natsAnswers(Number(nats.port))).toBe(false);
  expect(await natsAnswers(Number(nats.port), loginOf(nats))).toBe(true);
  expect(await redisAnswers(Number(redis.port))).toBe(false);
  expect(await redisAnswers(Number(redis.port), loginOf(redis))).toBe(true);
  const passwords = [nats.password, redis.password];
  for (const pid of Object.values(pids)) {
    const seen = (await readFile(`/proc/${pid}/cmdline`, 'utf8')) + (await readFile(`/proc/${pid}/environ`, 'utf8'));
    for (const password of passwords) expect(seen).not.toContain(password);
  }
  const files = (await readdir(join(folder, '.muster'), { recursive: true, withFileTypes: true })).filter((one) =>
    one.isFile(),
  );
  const holding = [];
  for (const { parentPath, name } of files) {
    const path = join(parentPath, name);
    const content = await readFile(path, 'utf8');
    if (passwords.some((password) => content.includes(password)))
      holding.push({ name, mode: (await stat(path)).mode & 0o777 });
  }
  expect(holding.map(({ name }) => name)).toEqual(expect.arrayContaining(['nats.conf', 'redis.conf', 'local.json']));
  expect(holding.filter(({ mode }) => mode !== 0o600)).toEqual([]);
}

describe('the local runner', () => {
  test('starts everything, answers about this machine, and leaves nothing behind', async () => {
    const policy = join(folder, 'metrics.json');
    await writeFile(policy, JSON.stringify({ rules: [{ selector: 'os=linux', interval: '10s' }] }));
    runner = new Runner(['--gateways', '2', '--observe'], { MUSTER_METRICS_POLICY_FILE: policy });
    const local = await runner.up();
    expect(Object.keys(local.pids).sort()).toEqual([
      'agent',
      'api-1',
      'command-1',
      'gateway-1',
      'gateway-2',
      'nats',
      'posture-1',
      'prometheus',
      'query-1',
      'redis',
      'runner',
      'telemetry-1',
    ]);
    expect(local.gatewayUrls).toHaveLength(2);
    expect((await stat(join(folder, '.muster/local.json'))).mode & 0o777).toBe(0o600);
    await expectLockedBrokers(local);

    const answer = await muster('query', 'SELECT hostname FROM system_info', '-o', 'ndjson');
    expect(answer).toMatchObject({ code: 0 });
    expect(JSON.parse(answer.out)).toMatchObject({ row: { hostname: hostname() } });
    expect((await muster('doctor')).code).toBe(0);

    expect(runner.output).toContain(local.prometheusUrl);
    const labels = async (query: string, label: string): Promise<string[]> => {
      const response = await fetch(`${local.prometheusUrl}/api/v1/query?query=${encodeURIComponent(query)}`);
      const { data } = (await response.json()) as { data: { result: { metric: Record<string, string> }[] } };
      return data.result.map(({ metric }) => metric[label] ?? '').sort();
    };
    const all = 'api-1,command-1,gateway-1,gateway-2,posture-1,query-1,telemetry-1';
    await eventually(async () => (await labels('up == 1', 'instance')).join() === all, 'Prometheus scrapes all');
    const hosts = (): Promise<string[]> => labels('system_memory_limit_bytes > 0', 'host');
    await eventually(async () => (await hosts()).join() === hostname(), 'it has metrics of this machine', 40_000);
    const rules = await (await fetch(`${local.prometheusUrl}/api/v1/rules?type=alert`)).text();
    expect(rules).toContain('MusterGatewayDown');

    const second = new Runner();
    expect(await second.exited).toBe(1);
    expect(second.output).toMatch(new RegExp(`runs already in .*\\(process ${local.pids['runner']}\\)`));

    const startedAt = performance.now();
    expect(await runner.end('SIGTERM')).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(aliveOf(local)).toEqual([]);
    expect(existsSync(join(folder, '.muster/local.json'))).toBe(false);
    expect(await readdir(join(folder, '.muster/run'))).toEqual([]);
  });

  test('a second start keeps the identity of the agent, a third after SIGKILL with --fresh has a new one; a killed service is restarted at the same address', async () => {
    const agentId = async (): Promise<string> => {
      const { out } = await muster('agents', '-o', 'ndjson');
      const lines = out.trim().split('\n');
      expect(lines).toHaveLength(1);
      return (JSON.parse(lines[0]!) as { agentId: string }).agentId;
    };
    runner = new Runner();
    await runner.up();
    const first = await agentId();
    expect(await runner.end('SIGINT')).toBe(0);

    runner = new Runner();
    const local = await runner.up();
    expect(await agentId()).toBe(first);

    process.kill(local.pids['gateway-1']!, 'SIGKILL');
    const back = async (): Promise<boolean> => (await localFile()).pids['gateway-1'] !== local.pids['gateway-1'];
    await eventually(back, 'the gateway is back');
    const now = await localFile();
    expect(now.gatewayUrls).toEqual(local.gatewayUrls);
    expect(runner.output).toMatch(/gateway-1 was ended by SIGKILL; starting it again/);
    const asked = async (): Promise<boolean> => (await muster('query', 'SELECT 1', '-o', 'ndjson')).out.startsWith('{');
    await eventually(asked, 'a query is answered');

    await runner.end('SIGKILL');
    const areGone = (): boolean => {
      const alive = aliveOf(now);
      if (alive.length > 0) throw new Error(`alive: ${alive.join(', ')}`);
      return true;
    };
    await eventually(areGone, 'all programs have ended, also brokers');
    expect(await muster('agents')).toMatchObject({ code: 1, err: expect.stringMatching(/no longer runs/) as unknown });

    runner = new Runner(['--fresh']);
    await runner.up();
    expect(await agentId()).not.toBe(first);
  });

  test('--no-agent starts all but the agent', async () => {
    runner = new Runner(['--no-agent']);
    const { pids } = await runner.up();
    expect(Object.keys(pids)).not.toContain('agent');
    expect(Object.keys(pids)).toContain('gateway-1');
  });
});
