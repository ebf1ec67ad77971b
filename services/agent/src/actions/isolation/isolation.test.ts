import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { ActionResult, JsonValue } from '../contract/action.js';
import type { TestCallOptions } from '../testing/action-harness.js';
import type { ProbeTarget } from '../testing/namespace-peer.js';
import { NetworkHarness, type Peer } from '../testing/network-harness.js';

const GATEWAY = '10.99.0.1';
const OTHER = '10.99.0.3';
const ALLOWED = '10.99.0.4';
const GATEWAY_PORT = 8443;
const gateways = [
  { host: GATEWAY, port: GATEWAY_PORT },
  { host: '[fd00:99::1]', port: GATEWAY_PORT },
];

let network: NetworkHarness | undefined;
let outside: Peer;
let host: Peer;
let dataDir: string;
beforeAll(async () => {
  network = NetworkHarness.open();
  if (network === undefined) return;
  outside = network.peer('outside');
  host = network.peer('host');
  for (const number of [1, 3, 4]) {
    for (const address of [`10.99.0.${number}`, `fd00:99::${number}`]) {
      for (const port of [GATEWAY_PORT, 80]) await outside.send({ t: 'listen', host: address, port });
    }
  }
  for (const address of ['10.99.0.2', 'fd00:99::2']) await host.send({ t: 'listen', host: address, port: 7000 });
});
afterAll(() => network?.close());
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'isolation-'));
});
afterEach(async () => {
  if (network !== undefined) await act('host.release');
  rmSync(dataDir, { recursive: true, force: true });
});

async function act(name: string, call: TestCallOptions = {}, peer = host): Promise<ActionResult & { kept: JsonValue }> {
  const { result, kept } = await peer.send({ t: 'run', name, call, dataDir, gateways });
  if (result === undefined) throw new Error('no result');
  return { ...result, kept: kept?.[0] ?? null };
}
const isOpen = async (from: Peer, target: ProbeTarget): Promise<boolean | undefined> =>
  (await from.send({ t: 'probe', targets: [target] })).reached?.[0];
const stateFile = (): string => join(dataDir, 'isolation.json');
const toOther = { host: OTHER, port: 80 };

/** Probes from the host: the gateway, another port of it, another machine. Then from outside to the host. Each over IPv4 and IPv6. */
async function reach(): Promise<boolean[]> {
  const outwards = await host.send({
    t: 'probe',
    targets: [
      { host: GATEWAY, port: GATEWAY_PORT },
      { host: 'fd00:99::1', port: GATEWAY_PORT },
      { host: GATEWAY, port: 80 },
      { host: 'fd00:99::1', port: 80 },
      { host: OTHER, port: 80 },
      { host: 'fd00:99::3', port: 80 },
    ],
  });
  const inwards = await outside.send({
    t: 'probe',
    targets: [1, 3].flatMap((number) => [
      { host: '10.99.0.2', port: 7000, from: `10.99.0.${number}` },
      { host: 'fd00:99::2', port: 7000, from: `fd00:99::${number}` },
    ]),
  });
  return [...(outwards.reached ?? []), ...(inwards.reached ?? [])];
}
const EVERYBODY = Array.from({ length: 10 }, () => true);
const GATEWAY_ONLY = EVERYBODY.map((_, index) => index < 2);

describe('an isolated host', () => {
  test('reaches only its gateway, is reached by nobody, and has all its network again after the release', async () => {
    if (network === undefined) return;
    expect(await reach()).toEqual(EVERYBODY);
    expect(await act('host.isolate', { dryRun: true })).toMatchObject({ state: 'succeeded', code: 'dry_run' });
    expect(await reach()).toEqual(EVERYBODY);

    const isolated = await act('host.isolate', { params: { releaseAfter: '10m' } });
    expect(isolated).toMatchObject({
      state: 'succeeded',
      effects: [expect.stringContaining(GATEWAY), expect.anything(), expect.stringContaining('three hooks')],
    });
    expect(await reach()).toEqual(GATEWAY_ONLY);
    expect(await act('host.release')).toMatchObject({ state: 'succeeded', effects: ['opened the network again'] });
    expect(await reach()).toEqual(EVERYBODY);
    expect(network.run('nft', ['list', 'tables'])).toBe('');
    expect(existsSync(stateFile())).toBe(false);
    expect(await act('host.release')).toMatchObject({ state: 'succeeded', code: 'unchanged' });
  });

  test('keeps its connection to the gateway and loses all others', async () => {
    if (network === undefined) return;
    const other = network.peer('host');
    expect(await host.send({ t: 'hold', host: GATEWAY, port: GATEWAY_PORT })).toEqual({ open: true });
    expect(await other.send({ t: 'hold', host: OTHER, port: 80 })).toEqual({ open: true });
    await act('host.isolate');
    expect(await host.send({ t: 'echo' })).toEqual({ open: true });
    expect(await other.send({ t: 'echo' })).toEqual({ open: false });
  });

  test('communicates with allowed networks, and leaves other nftables rules unchanged', async () => {
    if (network === undefined) return;
    network.run('nft', ['add table inet other']);
    await act('host.isolate', { params: { allow: [`${ALLOWED}/32`, 'fd00:99::4'] } });
    expect(await isOpen(host, { host: ALLOWED, port: 80 })).toBe(true);
    expect(await isOpen(host, { host: 'fd00:99::4', port: 80 })).toBe(true);
    expect(await isOpen(outside, { host: '10.99.0.2', port: 7000, from: ALLOWED })).toBe(true);
    expect(await isOpen(outside, { host: 'fd00:99::2', port: 7000, from: 'fd00:99::4' })).toBe(true);
    expect(await reach()).toEqual(GATEWAY_ONLY);
    await act('host.release');
    expect(network.run('nft', ['list', 'tables']).trim()).toBe('table inet other');
    network.run('nft', ['delete', 'table', 'inet', 'other']);
  });

  test('stays isolated until the later end of two commands, and an undo restores the first', async () => {
    if (network === undefined) return;
    const until = (): number => (JSON.parse(readFileSync(stateFile(), 'utf8')) as { releaseAtMs: number }).releaseAtMs;
    const first = await act('host.isolate', { params: { releaseAfter: '10m' }, id: 'one' });
    const firstUntil = until();
    const second = await act('host.isolate', { params: { releaseAfter: '1h', allow: [OTHER] }, id: 'two' });
    expect(until()).toBeGreaterThan(firstUntil + 3_000_000 - 60_000);
    expect(await isOpen(host, toOther)).toBe(true);
    const longest = until();
    const third = await act('host.isolate', { params: { releaseAfter: '1m' }, id: 'three' });
    expect(until()).toBe(longest);

    const undo = (command: string, kept: JsonValue): Promise<unknown> =>
      host.send({ t: 'undo', command, id: 'undoing', kept, dataDir, gateways }).then(({ result }) => result);
    expect(await undo('one', first.kept)).toMatchObject({ state: 'refused', code: 'superseded' });
    expect(await undo('three', third.kept)).toMatchObject({ state: 'succeeded' });
    expect(await isOpen(host, toOther)).toBe(true);
    expect(await undo('two', second.kept)).toMatchObject({ state: 'succeeded' });
    expect(until()).toBe(firstUntil);
    expect(await reach()).toEqual(GATEWAY_ONLY);
    expect(await undo('one', first.kept)).toMatchObject({ state: 'succeeded' });
    expect(await reach()).toEqual(EVERYBODY);
    expect(await undo('one', first.kept)).toMatchObject({ state: 'succeeded', code: 'unchanged' });
  });
});

describe('the dead-man timer', () => {
  test('releases the host after the agent was killed', async () => {
    if (network === undefined) return;
    const agent = network.peer('host');
    await act('host.isolate', { params: { releaseAfter: '5s' } }, agent);
    const isolatedAt = performance.now();
    await agent.kill();
    expect(await isOpen(host, toOther)).toBe(false);
    let open = false;
    while (!open && performance.now() - isolatedAt < 30_000) open = (await isOpen(host, toOther)) === true;
    expect(open).toBe(true);
    expect(performance.now() - isolatedAt).toBeGreaterThan(3_500);
    expect(await reach()).toEqual(EVERYBODY);
    // The next agent removes what is left.
    await host.send({ t: 'monitor', laterMs: 0, dataDir, gateways });
    expect(network.run('nft', ['list', 'tables'])).toBe('');
    expect(existsSync(stateFile())).toBe(false);
  });

  test('continues after a reboot: the agent isolates the host again for the remaining time only', async () => {
    if (network === undefined) return;
    await act('host.isolate', { params: { releaseAfter: '60s' } });
    // A reboot removes all rules.
    network.run('nft', ['flush', 'ruleset']);
    expect(await isOpen(host, toOther)).toBe(true);
    await host.send({ t: 'monitor', laterMs: 20_000, dataDir, gateways });
    expect(await reach()).toEqual(GATEWAY_ONLY);
    const seconds = /ipv4 timeout (\d+)s/.exec(network.run('nft', ['list', 'ruleset']))?.[1];
    expect(Number(seconds)).toBeLessThanOrEqual(40);
    expect(Number(seconds)).toBeGreaterThan(30);

    network.run('nft', ['flush', 'ruleset']);
    await host.send({ t: 'monitor', laterMs: 60_000, dataDir, gateways });
    expect(await reach()).toEqual(EVERYBODY);
    expect(existsSync(stateFile())).toBe(false);
  });

  test('is not prolonged when the clock is set back', async () => {
    if (network === undefined) return;
    await act('host.isolate', { params: { releaseAfter: '60s' } });
    await host.send({ t: 'monitor', laterMs: -3_600_000, dataDir, gateways });
    expect(network.run('nft', ['list', 'ruleset'])).toMatch(/ipv4 timeout (1m|60s) /);
  });
});
