import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { groupOffset, hostMetric } from '@muster/host-metrics';
import { eventually, FakeClock } from '@muster/runtime/testing';
import { DETAILED, DETAILED_LATER, STANDARD, USERS } from '../../testing/recorded-powershell.js';
import type { Reading } from '../contract/host-reader.js';
import { WindowsPlatform } from '../windows/windows-platform.js';
import { ProgramReader } from './program-reader.js';

const STAND_IN = join(import.meta.dirname, '../../testing/fixture-sampler.js');
/** What the recorded answer has, in KiB. */
const [FREE_KIB, CACHED_KIB] = [2_097_152, 1_177_600];
const OWN_CPU = hostMetric('muster.agent.cpu.time');

let folder: string;
let clock: FakeClock;
let reader: ProgramReader;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'muster-reader-'));
  clock = new FakeClock();
  const command = { file: process.execPath, args: [STAND_IN, folder], env: {} };
  reader = new ProgramReader({
    platform: new WindowsPlatform({ env: {}, command, memory: () => 16 * 1024 ** 3 }),
    usage: { read: (host) => void (host[OWN_CPU] = 100) },
    clock,
    random: () => 0,
  });
  says('standard', STANDARD);
  says('detailed', DETAILED);
  says('users', USERS);
});
afterEach(() => {
  reader.close();
  rmSync(folder, { recursive: true, force: true });
});

const says = (ask: string, text: string): void => writeFileSync(join(folder, ask), `${text}\n`);
const does = (ask: string, text: string): void => writeFileSync(join(folder, ask), text);
const asked = (): string[] => {
  const path = join(folder, 'asked');
  return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : [];
};
const count = (ask: string): number => asked().filter((each) => each === ask).length;
const bytesRead = ({ shape, values }: Reading, from = values): number | undefined =>
  shape.names.disk.length === 0 ? undefined : from[groupOffset(shape, 'disk', 0, 0)];
const processes = ({ values }: Reading): number =>
  values[hostMetric('system.process.count', { 'process.status': 'running' })]!;

test('what Node knows is there at once; what the program tells comes with the next reading, and its cost is the agent’s', async () => {
  const first = reader.read();
  expect(first.shape.names.core.length).toBeGreaterThan(0);
  expect(first.values[hostMetric('system.memory.limit')]).toBeGreaterThan(0);
  expect(first.values[OWN_CPU]).toBe(100);
  expect(first.shape.names.disk).toEqual([]);
  expect(await reader.refresh({ topProcesses: false })).toBeUndefined();
  const second = reader.read();
  expect(bytesRead(second)).toBe(1_000);
  expect(processes(second)).toBe(3);
  expect(second.values[OWN_CPU]).toBe(1_600);
  expect(second.recent).toBeUndefined();
});

test('while nobody looks the program is idle between the readings of the detailed set, and seconds do not repeat what it told', async () => {
  await reader.refresh({ topProcesses: false });
  for (let second = 0; second < 59; second += 1) {
    clock.advance(1_000);
    reader.read();
  }
  // A request that was made now would be answered after those of the readings.
  await reader.refresh({ topProcesses: false });
  expect(asked()).toEqual(['standard', 'detailed', 'standard', 'detailed']);
  clock.advance(2_001);
  const reading = reader.read();
  expect(bytesRead(reading)).toBe(1_000);
  expect(bytesRead(reading, reading.recent)).toBeNaN();
  const limit = hostMetric('system.memory.limit');
  expect(reading.recent?.[limit]).toBe(reading.values[limit]);
  // Node knows what is free now. What is cached, only the program has told.
  const memory = (state: string): number => hostMetric('system.memory.usage', { 'system.memory.state': state });
  const [free = 0, cached = 0] = ['free', 'cached'].map(memory);
  expect([reading.values[free], reading.values[cached]]).toEqual([FREE_KIB, CACHED_KIB]);
  expect(reading.recent?.[free]).toBeGreaterThan(0);
  expect(reading.recent?.[free]).not.toBe(FREE_KIB);
  expect(reading.recent?.[cached]).toBeNaN();
  // The detailed set is that of its last reading everywhere.
  expect(processes({ ...reading, values: reading.recent! })).toBe(3);
});

test('while somebody looks it is asked with every reading, and says which processes use most and whose they are', async () => {
  expect(await reader.refresh({ topProcesses: true })).toBeUndefined();
  for (let second = 1; second <= 3; second += 1) {
    reader.read();
    // The program answers one after the other.
    await reader.refresh({ topProcesses: true });
    expect(count('standard')).toBe(second);
    clock.advance(1_000);
  }
  expect(bytesRead(reader.read())).toBe(1_000);
  await reader.refresh({ topProcesses: true });
  clock.advance(2_000);
  says('detailed', DETAILED_LATER);
  const top = await reader.refresh({ topProcesses: true });
  expect(top?.byCpu).toEqual([
    { pid: 1_340, name: 'svchost', share: 0.5, residentBytes: 41_943_040, user: 'NT AUTHORITY\\SYSTEM' },
    // Another process has got the id.
    { pid: 812, name: 'chrome', share: 0.25, residentBytes: 83_886_080, user: 'ACME\\müller' },
    { pid: 4, name: 'System', share: 0.05, residentBytes: 151_552, user: '' },
  ]);
  expect(top?.byMemory.map(({ pid }) => pid)).toEqual([812, 1_340, 4]);
  expect(asked().filter((each) => each.startsWith('users'))).toEqual(['users 4 812 1340', 'users 812']);
  clock.advance(5_000);
  expect((await reader.refresh({ topProcesses: true }))?.byMemory).toHaveLength(3);
  expect(asked().filter((each) => each.startsWith('users'))).toHaveLength(2);
  // Nobody has looked for a while.
  clock.advance(15_001);
  const after = count('standard');
  reader.read();
  await reader.refresh({ topProcesses: false });
  expect(count('standard')).toBe(after + 1);
});

test('what the program told is absent from when it fails until it answers again', async () => {
  await reader.refresh({ topProcesses: false });
  does('standard', '!die');
  clock.advance(60_000);
  await reader.refresh({ topProcesses: false });
  expect(reader.read().shape.names).toMatchObject({ disk: [], interface: [], filesystem: [] });
  expect(processes(reader.read())).toBeNaN();
  expect(reader.read().values[OWN_CPU]).toBe(1_600);
  says('standard', STANDARD);
  clock.advance(60_000);
  await reader.refresh({ topProcesses: false });
  expect(bytesRead(reader.read())).toBe(1_000);
  // The program that has ended has cost something, too.
  expect(reader.read().values[OWN_CPU]).toBe(3_100);
});

test('a reading never waits; on a slow machine the program is asked less often', async () => {
  does('standard', `!wait\n${STANDARD}\n`);
  const refreshed = reader.refresh({ topProcesses: false });
  await eventually(() => count('standard') === 1);
  expect(reader.read().shape.names.disk).toEqual([]);
  clock.advance(3_000);
  does('go', '');
  await refreshed;
  expect(bytesRead(reader.read())).toBe(1_000);
  clock.advance(60_000);
  await reader.refresh({ topProcesses: false });
  expect(count('standard')).toBe(1);
  expect(bytesRead(reader.read())).toBe(1_000);
  // What it told then is not what is now.
  clock.advance(30_001);
  expect(reader.read().shape.names.disk).toEqual([]);
  expect(reader.read().recent).toBeUndefined();
  expect(processes(reader.read())).toBe(3);
  clock.advance(210_000);
  await reader.refresh({ topProcesses: false });
  expect(count('standard')).toBe(2);
  expect(bytesRead(reader.read())).toBe(1_000);
});
