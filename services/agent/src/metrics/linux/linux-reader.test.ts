import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, fsyncSync, mkdtempSync, openSync, readFileSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Group, groupMetric, groupOffset, hostMetric } from '@muster/host-metrics';
import { systemClock } from '@muster/runtime/program';
import type { Reading } from '../contract/host-reader.js';
import { CpuUtilization, UTILIZATION } from '../cpu-utilization.js';
import { AgentUsage } from './agent-usage.js';
import { LinuxReader } from './linux-reader.js';

const onLinux = process.platform === 'linux' ? describe : describe.skip;
const LOAD_MS = 10_000;

let reader: LinuxReader;
beforeAll(() => void (reader = new LinuxReader({ usage: new AgentUsage(() => []), clock: systemClock })));
afterAll(() => reader.close());

function host({ values }: Reading, name: string, attributes: Record<string, string> = {}): number {
  return values[hostMetric(name, attributes)]!;
}

function of(
  reading: Reading,
  group: Group,
  instance: string,
  name: string,
  attributes: Record<string, string> = {},
): number {
  const at = reading.shape.names[group].indexOf(instance);
  return reading.values[groupOffset(reading.shape, group, at, groupMetric(group, name, attributes))]!;
}

const MODES = ['user', 'nice', 'system', 'idle', 'iowait', 'interrupt', 'softirq', 'steal'];
const proc = (path: string): string => readFileSync(`/proc/${path}`, 'utf8');
const cpuTimes = (): number[] => proc('stat').split('\n')[0]!.trim().split(/\s+/).slice(1, 9).map(Number);
const cpuOf = (reading: Reading): number[] =>
  MODES.map((mode) => host(reading, 'system.cpu.time', { 'cpu.mode': mode }));

function loopback(): number[] {
  const line = proc('net/dev')
    .split('\n')
    .find((each) => each.trim().startsWith('lo:'))!;
  const fields = line.split(':')[1]!.trim().split(/\s+/).map(Number);
  return [fields[0]!, fields[8]!, fields[1]!, fields[9]!];
}

function loopbackOf(reading: Reading): number[] {
  return ['system.network.io', 'system.network.packet.count'].flatMap((name) =>
    ['receive', 'transmit'].map((direction) =>
      of(reading, 'interface', 'lo', name, { 'network.io.direction': direction }),
    ),
  );
}

function disks(): Map<string, number[]> {
  const lines = proc('diskstats')
    .trim()
    .split('\n')
    .map((line) => line.trim().split(/\s+/));
  return new Map(lines.map((fields) => [fields[2]!, [5, 9, 3, 7, 6, 10, 12].map((at) => Number(fields[at]))]));
}

function diskOf(reading: Reading, disk: string): number[] {
  const at = reading.shape.names.disk.indexOf(disk);
  const from = groupOffset(reading.shape, 'disk', at, 0);
  return [...reading.values.subarray(from, from + 7)];
}

/** Every counter lies between what was read just before and just after. */
function between(before: readonly number[], values: readonly number[], after: readonly number[]): void {
  for (const [i, value] of values.entries()) {
    expect(value).toBeGreaterThanOrEqual(before[i]!);
    expect(value).toBeLessThanOrEqual(after[i]!);
  }
}

/** A busy loop, a written file, a flood over loopback. */
async function makeLoad(folder: string): Promise<number> {
  const receiver = createSocket('udp4');
  receiver.bind(0, '127.0.0.1');
  await once(receiver, 'listening');
  const { port } = receiver.address();
  const sender = createSocket('udp4');
  const file = openSync(join(folder, 'load'), 'w');
  const block = Buffer.alloc(256 * 1024, 7);
  const datagram = Buffer.alloc(8 * 1024, 7);
  let written = 0;
  for (const untilMs = performance.now() + LOAD_MS; performance.now() < untilMs;) {
    written += writeSync(file, block);
    if (written % (16 * block.length) === 0) fsyncSync(file);
    for (let i = 0; i < 8; i += 1) sender.send(datagram, port, '127.0.0.1');
    for (const spinMs = performance.now() + 20; performance.now() < spinMs;);
    await new Promise((resolve) => setImmediate(resolve));
  }
  fsyncSync(file);
  closeSync(file);
  sender.close();
  receiver.close();
  return written;
}

onLinux('the numbers of this machine are true', () => {
  test('counters of processors, loopback and disks exactly, the share of busy time within two points, over ten seconds of load', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'muster-load-'));
    const utilization = new CpuUtilization();
    const read = (): {
      readonly reading: Reading;
      readonly cpu: number[][];
      readonly lo: number[][];
      readonly disk: Map<string, number[]>[];
    } => {
      const first = { cpu: cpuTimes(), lo: loopback(), disk: disks() };
      const reading = reader.read();
      utilization.complete(reading.values);
      return { reading, cpu: [first.cpu, cpuTimes()], lo: [first.lo, loopback()], disk: [first.disk, disks()] };
    };
    const before = read();
    await makeLoad(folder);
    const after = read();
    rmSync(folder, { recursive: true });
    for (const { reading, cpu, lo, disk } of [before, after]) {
      // The kernel lets the times of waiting and idling go back a little.
      between(
        cpu[0]!.map((ticks) => ticks - 2),
        cpuOf(reading),
        cpu[1]!.map((ticks) => ticks + 2),
      );
      between(lo[0]!, loopbackOf(reading), lo[1]!);
      for (const name of reading.shape.names.disk)
        between(disk[0]!.get(name)!, diskOf(reading, name), disk[1]!.get(name)!);
    }
    const grown = cpuTimes().map((_, i) => after.cpu[1]![i]! - before.cpu[0]![i]!);
    const total = grown.reduce((sum, ticks) => sum + ticks, 0);
    const busy = 1 - (grown[3]! + grown[4]!) / total;
    expect(Math.abs(after.reading.values[UTILIZATION]! / 1_000 - busy)).toBeLessThan(0.02);
    expect(loopbackOf(after.reading)[0]! - loopbackOf(before.reading)[0]!).toBeGreaterThan(1_000_000);
    const written = (reading: Reading): number =>
      reading.shape.names.disk.reduce(
        (sum, name) => sum + of(reading, 'disk', name, 'system.disk.io', { 'disk.io.direction': 'write' }),
        0,
      );
    expect((written(after.reading) - written(before.reading)) * 512).toBeGreaterThan(1_000_000);
  });

  test('memory as the kernel and vmstat tell it, and the four states add up', () => {
    const meminfo = (): Map<string, number> =>
      new Map([...proc('meminfo').matchAll(/^(\w+):\s+(\d+)/gm)].map(([, key, kib]) => [key!, Number(kib)]));
    const reading = reader.read();
    const now = meminfo();
    const state = (of: string): number => host(reading, 'system.memory.usage', { 'system.memory.state': of });
    const total = host(reading, 'system.memory.limit');
    expect(total).toBe(now.get('MemTotal'));
    expect(state('used') + state('free') + state('cached') + state('buffers')).toBe(total);
    // Other programs go on meanwhile.
    const near = (value: number, other: number): void => expect(Math.abs(value - other) / total).toBeLessThan(0.02);
    near(state('free'), now.get('MemFree')!);
    near(host(reading, 'system.linux.memory.available'), now.get('MemAvailable')!);
    const [, , , free, buffers, cache] = execFileSync('vmstat', ['-S', 'k'], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .at(-1)!
      .trim()
      .split(/\s+/)
      .map(Number);
    near(state('free'), (free! * 1_000) / 1_024);
    near(state('buffers'), (buffers! * 1_000) / 1_024);
    near(state('cached'), (cache! * 1_000) / 1_024);
  });

  test('file systems as df tells them; processes, threads, open files and connections as the kernel does', async () => {
    const lines = proc('net/tcp').trim().split('\n').length + proc('net/tcp6').trim().split('\n').length - 2;
    await reader.refresh({ topProcesses: false });
    const after = proc('net/tcp').trim().split('\n').length + proc('net/tcp6').trim().split('\n').length - 2;
    const reading = reader.read();
    const root = statfsSync('/');
    const kib = root.bsize / 1_024;
    expect(of(reading, 'filesystem', '/', 'system.filesystem.limit')).toBe(root.blocks * kib);
    const [size, used, free] = execFileSync('df', ['-k', '--output=size,used,avail', '/'], { encoding: 'utf8' })
      .trim()
      .split('\n')[1]!
      .trim()
      .split(/\s+/)
      .map(Number);
    const usage = (state: string): number =>
      of(reading, 'filesystem', '/', 'system.filesystem.usage', { 'system.filesystem.state': state });
    expect(of(reading, 'filesystem', '/', 'system.filesystem.limit')).toBe(size);
    expect(Math.abs(usage('used') - used!) / size!).toBeLessThan(0.02);
    expect(Math.abs(usage('free') - free!) / size!).toBeLessThan(0.02);
    expect(usage('used') + usage('free') + usage('reserved')).toBe(size);
    const states = ['running', 'sleeping', 'blocked', 'stopped', 'defunct'];
    const processes = states.reduce(
      (sum, state) => sum + host(reading, 'system.process.count', { 'process.status': state }),
      0,
    );
    const [, threads] = /\/(\d+) /.exec(proc('loadavg'))!;
    expect(processes).toBeGreaterThan(5);
    expect(Math.abs(host(reading, 'system.thread.count') - Number(threads))).toBeLessThan(Number(threads) / 4);
    const [allocated] = proc('sys/fs/file-nr').split('\t').map(Number);
    expect(Math.abs(host(reading, 'system.linux.file_handle.count') - allocated!)).toBeLessThan(allocated! / 2);
    const connections = Array.from(
      { length: 11 },
      (_, i) => reading.values[hostMetric('system.network.connection.count') + i]!,
    ).reduce((sum, count) => sum + count, 0);
    if (lines < 4_000 && after < 4_000)
      expect(Math.abs(connections - (lines + after) / 2)).toBeLessThan(50 + Math.max(lines, after) / 2);
  });

  test('the process that keeps a processor busy is the first of those that use most', async () => {
    await reader.refresh({ topProcesses: true });
    for (const untilMs = performance.now() + 3_000; performance.now() < untilMs;);
    const top = await reader.refresh({ topProcesses: true });
    const own = top?.byCpu.find(({ pid }) => pid === process.pid);
    expect(top?.byMemory.length).toBe(5);
    // Others may use more on a busy machine, but not five of them a whole processor each.
    if (own === undefined) expect(top!.byCpu.every(({ share }) => share > 0.1)).toBe(true);
    else expect(own.share).toBeGreaterThan(0);
    expect(top!.byCpu.map(({ share }) => share)).toEqual(
      top!.byCpu.map(({ share }) => share).toSorted((a, b) => b - a),
    );
  });
});
