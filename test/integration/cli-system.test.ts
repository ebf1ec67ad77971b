// oxlint-disable jest/no-standalone-expect -- the rule does not see that testWithPty is a test
import { createHmac } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { eventually } from '@muster/runtime/testing';
import { muster, RunningCli } from '../kit/cli.js';
import { startHarness, type Harness } from '../kit/harness.js';
import { hasPty, inPty, type PtyProgram } from '../kit/pty.js';

// Reported as skipped where util-linux's `script` is missing.
const testWithPty = (await hasPty()) ? test : test.skip;

let harness: Harness;
let host: string;
let folder: string;
/** A machine that uses memory fails the rule of a policy with a low threshold. */
const setHealthPolicy = (warning: number): Promise<void> =>
  writeFile(
    join(folder, 'health.json'),
    JSON.stringify({ rules: [{ name: 'memory_used', vital: 'memory', warning }] }),
  );
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-cli-system-'));
  await setHealthPolicy(1);
  const often = join(folder, 'metrics.json');
  await writeFile(often, JSON.stringify({ rules: [{ selector: '', interval: '10s' }] }));
  harness = await startHarness({
    ...{ telemetries: 1, agent: true, restart: true },
    settings: { api: { MUSTER_API_WEBHOOK_NETWORKS: '127.0.0.1/32' } },
    env: {
      telemetry: { MUSTER_HEALTH_POLICY_FILE: join(folder, 'health.json') },
      gateway: { MUSTER_METRICS_POLICY_FILE: often },
    },
  });
  const [agent] = await harness.api.all('GET /v1/agents');
  host = agent!.host;
});
afterAll(async () => {
  await harness.close();
  await rm(folder, { recursive: true, force: true });
});

describe('muster top ENDPOINT at a terminal', () => {
  /** The view of this machine, once it is full of samples. */
  const open = async (): Promise<PtyProgram> => {
    const program = inPty(harness, ['top', host]);
    await program.until(/CPU \[[|# ]+\d+(\.\d)?%\]/);
    await program.until(/ live/);
    return program;
  };

  testWithPty('shows the bars of this machine, is left with q, and gives the terminal back as it was', async () => {
    const program = await open();
    const lines = program.screen();
    expect(lines).toHaveLength(24);
    expect(lines[0]).toContain(host);
    expect(lines.join('\n')).toMatch(/^Mem \[.*G\]/m);
    expect(lines.join('\n')).toMatch(/^NETWORK|DISK .*NETWORK .*MOUNT/m);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
    program.press('?');
    await program.until(/processes by memory/);
    program.press('x');
    program.press('q');
    expect(await program.ended()).toEqual({ code: 0, isRestored: true });
  });

  testWithPty.each([
    ['Ctrl-C', '\u0003', undefined, 130],
    ['SIGINT', undefined, 'SIGINT', 130],
    ['SIGTERM', undefined, 'SIGTERM', 143],
  ] as const)('gives it back at %s too', async (_, key, signal, code) => {
    const program = await open();
    if (key !== undefined) program.press(key);
    if (signal !== undefined) program.signal(signal);
    expect(await program.ended()).toEqual({ code, isRestored: true });
  });

  testWithPty('and when the API refuses in the middle', async () => {
    const { tokenId: id, token } = await harness.api.call('POST /v1/tokens', {
      body: { name: 'short', role: 'viewer' },
    });
    const program = inPty(harness, ['top', host], { MUSTER_TOKEN: token! });
    await program.until(/CPU \[/);
    await harness.api.call('DELETE /v1/tokens/{id}', { params: { id } });
    const { code, isRestored } = await program.ended();
    expect({ code, isRestored }).toEqual({ code: 1, isRestored: true });
    expect(program.output.slice(program.output.lastIndexOf('\u001b[?1049l'))).toMatch(/error: /);
  });
});

test('muster top and muster health tell of this machine what the telemetry service knows', async () => {
  const top = await eventually(
    async () => {
      const { code, stdout } = await muster(harness, ['top', '-o', 'json']);
      const answer =
        code === 0 ? (JSON.parse(stdout) as { items: { host: string; vitals: { cpu: number } }[] }) : undefined;
      return answer?.items.length === 1 ? answer : undefined;
    },
    'the endpoint to be in the list',
    90_000,
  );
  expect(top.items[0]).toMatchObject({ host, vitals: { cpu: expect.any(Number) as unknown as number } });
  const { stdout } = await muster(harness, ['health', '-o', 'json']);
  const { counts } = JSON.parse(stdout) as { counts: Record<string, number> };
  expect(Object.values(counts).reduce((sum, one) => sum + one, 0)).toBe(1);
  const once = await muster(harness, ['top', host, '--once', '-o', 'json']);
  expect(JSON.parse(once.stdout)).toMatchObject({
    event: 'sample',
    from: 'live',
    memory: { limit: expect.any(Number) as unknown as number },
  });
});

describe('muster health --watch', () => {
  const current = /^warning +\S+ +memory_used +0\.\d+ \(≥ 0\.0001\) +\d{4}-\d\d-\d\d \d\d:\d\d /m;

  test('lists this machine with value, threshold and since when, and prints each change once, also over the death of the API process', async () => {
    await setHealthPolicy(0.0001);
    const list = await eventually(async () => {
      const { stdout } = await muster(harness, ['health']);
      return current.test(stdout) && stdout;
    }, 'the rule to fail');
    expect(list).toContain('0 ok, 1 warning, 0 critical');
    const { items } = await harness.api.call('GET /v1/health', { query: {} });
    const { rules, since } = items[0]!.health;
    const value = expect.any(Number) as unknown as number;
    expect(rules).toEqual([{ rule: 'memory_used', state: 'warning', value, threshold: 0.0001, since }]);
    expect(rules[0]!.value).toBeGreaterThan(0.0001);

    const watch = new RunningCli(harness, ['health', '--watch']);
    await eventually(() => current.test(watch.stdout), 'the list of those that are not well');
    await setHealthPolicy(1);
    await eventually(() => watch.stdout.includes('warning → ok'), 'the end of the state');
    const [api] = harness.stack.apis;
    api!.signal('SIGKILL');
    await api!.exited();
    await setHealthPolicy(0.0002);
    await eventually(() => watch.stdout.includes('ok → warning'), 'the next change, by another process');
    expect(await watch.end('SIGINT')).toBe(130);
    expect(watch.stderr).toBe('connection lost, trying again\n');
    const changes = watch.stdout.trimEnd().split('\n').slice(3);
    expect(changes).toEqual([
      expect.stringMatching(/^\S+Z {2}\S+ {2}warning → ok$/),
      expect.stringMatching(/^\S+Z {2}\S+ {2}ok → warning {2}memory_used 0\.\d+ \(≥ 0\.0002\)$/),
    ]);
  });

  test('is left with Ctrl-C, quietly, and has events for programs', async () => {
    const watch = new RunningCli(harness, ['health', '--watch', '-o', 'ndjson']);
    await eventually(() => watch.stdout.includes('\n'), 'who is not well');
    expect(JSON.parse(watch.stdout)).toMatchObject({ event: 'current', host, health: { state: 'warning' } });
    expect([await watch.end('SIGINT'), watch.stderr]).toEqual([130, '']);
  });
});

describe('muster webhooks', () => {
  let server: Server;
  const posted: { readonly body: string; readonly signature: string }[] = [];
  beforeAll(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', () => {
        posted.push({ body, signature: String(request.headers['muster-signature']) });
        response.writeHead(posted.length === 1 ? 500 : 204).end();
      });
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  });
  afterAll(() => new Promise((resolve) => void server.close(resolve)));

  const run = async (...args: string[]): Promise<{ stdout: string; stderr: string }> => {
    const { code, stdout, stderr } = await muster(harness, ['webhooks', ...args]);
    expect({ args, code, stderr: code === 0 ? '' : stderr }).toEqual({ args, code: 0, stderr: '' });
    return { stdout, stderr };
  };

  test('are made with a secret that is shown once, post a test, list what became of it, and are deleted', async () => {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
    const made = await run('create', url, '--event', 'agent.enrolled', 'agent.revoked', '--target', 'os=linux');
    expect(made.stdout).toMatch(/^\S{20,}\n$/);
    const id = /webhook (\S+) tells/.exec(made.stderr)?.[1] ?? '';
    const list = JSON.parse((await run('list', '-o', 'json')).stdout) as object[];
    expect(list).toEqual([
      expect.objectContaining({ id, url, events: ['agent.enrolled', 'agent.revoked'], selector: 'os=linux' }),
    ]);
    expect(JSON.stringify(list)).not.toContain(made.stdout.trim());
    const event = (await run('test', id)).stdout.trim();
    expect(event).not.toBe('');
    type Delivery = { id: string; event: string; state: string; attempts: number };
    const delivery = await eventually(async () => {
      const { stdout } = await run('deliveries', id, '-o', 'ndjson');
      const all = stdout
        .trimEnd()
        .split('\n')
        .filter((line) => line !== '');
      return all.map((line) => JSON.parse(line) as Delivery).find((one) => one.state === 'delivered');
    }, 'the second attempt');
    // The receiver refused the first.
    expect(delivery).toMatchObject({ id: event, event: 'webhook.test', attempts: 2 });
    expect(posted).toHaveLength(2);
    for (const { body, signature } of posted) {
      expect(JSON.parse(body)).toMatchObject({ type: 'webhook.test' });
      const [, seconds = ''] = /^t=(\d+),/.exec(signature) ?? [];
      const signed = createHmac('sha256', made.stdout.trim()).update(`${seconds}.${body}`).digest('hex');
      expect(signature).toBe(`t=${seconds},v1=${signed}`);
    }
    expect((await run('deliveries', id, '--state', 'delivered')).stdout).toContain(event);
    expect((await run('deliveries', id, '--state', 'dead')).stderr).toContain('There are none.');
    expect((await run('delete', id)).stderr).toContain('is deleted');
    expect(JSON.parse((await run('list', '-o', 'json')).stdout)).toEqual([]);
    expect(await muster(harness, ['webhooks', 'test', id])).toMatchObject({ code: 1 });
    expect(await muster(harness, ['webhooks', 'create', url, '--event', 'no.such'])).toMatchObject({ code: 2 });
  });
});
