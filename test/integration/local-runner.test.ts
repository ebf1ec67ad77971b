import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../../..');
const RUNNER = join(ROOT, 'deploy/local/dist/main.js');
const MUSTER = join(ROOT, 'services/cli/bin/muster.js');

interface LocalFile {
  readonly apiUrl: string;
  readonly gatewayUrls: readonly string[];
  readonly pids: Readonly<Record<string, number>>;
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
class Runner {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  output = '';

  constructor(args: readonly string[] = []) {
    this.child = spawn(process.execPath, [RUNNER, ...args], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.on('data', (part) => (this.output += String(part)));
    this.exited = once(this.child, 'exit').then(([code]) => code as number | null);
  }

  async up(): Promise<LocalFile> {
    await until(
      () => this.output.includes('Ctrl-C stops everything') || this.child.exitCode !== null,
      60_000,
      () => this.output,
    );
    if (this.child.exitCode !== null) throw new Error(this.output);
    return localFile();
  }

  async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.child.exitCode === null) this.child.kill(signal);
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

async function until(holds: () => boolean | Promise<boolean>, timeoutMs: number, tell: () => string): Promise<void> {
  const giveUpAt = performance.now() + timeoutMs;
  while (!(await holds())) {
    if (performance.now() > giveUpAt) throw new Error(`not within ${timeoutMs} ms: ${tell()}`);
    await delay(50);
  }
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

describe('the local runner', () => {
  test('brings everything up, answers the truth about this machine, and leaves nothing behind', async () => {
    runner = new Runner(['--gateways', '2']);
    const local = await runner.up();
    expect(Object.keys(local.pids).sort()).toEqual([
      'agent',
      'api-1',
      'command-1',
      'gateway-1',
      'gateway-2',
      'nats',
      'query-1',
      'redis',
      'runner',
    ]);
    expect(local.gatewayUrls).toHaveLength(2);
    expect((await stat(join(folder, '.muster/local.json'))).mode & 0o777).toBe(0o600);

    const answer = await muster('query', 'SELECT hostname FROM system_info', '-o', 'ndjson');
    expect(answer).toMatchObject({ code: 0 });
    expect(JSON.parse(answer.out)).toMatchObject({ row: { hostname: hostname() } });
    expect((await muster('doctor')).code).toBe(0);

    const second = new Runner();
    expect(await second.exited).toBe(1);
    expect(second.output).toMatch(new RegExp(`runs already in .*\\(process ${local.pids['runner']}\\)`));

    const startedAt = performance.now();
    expect(await runner.end('SIGTERM')).toBe(0);
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    expect(aliveOf(local)).toEqual([]);
    expect(existsSync(join(folder, '.muster/local.json'))).toBe(false);
    expect(await readdir(join(folder, '.muster/run'))).toEqual([]);
  }, 120_000);

  test('the agent keeps its identity over a second start, and --fresh forgets it', async () => {
    const agentId = async (...args: string[]): Promise<string> => {
      runner = new Runner(args);
      await runner.up();
      const { out } = await muster('agents', '-o', 'ndjson');
      await runner.end('SIGINT');
      const lines = out.trim().split('\n');
      expect(lines).toHaveLength(1);
      return (JSON.parse(lines[0]!) as { agentId: string }).agentId;
    };
    const first = await agentId();
    expect(await agentId()).toBe(first);
    expect(await agentId('--fresh')).not.toBe(first);
  }, 120_000);

  test('everything ends when the runner is killed, brokers too, and the next start is not hindered', async () => {
    runner = new Runner();
    const local = await runner.up();
    await runner.end('SIGKILL');
    await until(
      () => aliveOf(local).length === 0,
      20_000,
      () => `alive: ${aliveOf(local).join(', ')}`,
    );
    expect(await muster('agents')).toMatchObject({ code: 1, err: expect.stringMatching(/no longer runs/) as unknown });
    runner = new Runner(['--no-agent']);
    expect(Object.keys((await runner.up()).pids)).not.toContain('agent');
  }, 120_000);

  test('a service that dies is started again at the same address, and questions are answered again', async () => {
    runner = new Runner();
    const before = await runner.up();
    process.kill(before.pids['gateway-1']!, 'SIGKILL');
    const back = async (): Promise<boolean> => (await localFile()).pids['gateway-1'] !== before.pids['gateway-1'];
    await until(back, 30_000, () => runner!.output);
    expect((await localFile()).gatewayUrls).toEqual(before.gatewayUrls);
    expect(runner.output).toMatch(/gateway-1 was ended by SIGKILL; starting it again/);
    const asked = async (): Promise<boolean> => (await muster('query', 'SELECT 1', '-o', 'ndjson')).out.startsWith('{');
    await until(asked, 60_000, () => runner!.output);
  }, 150_000);
});
