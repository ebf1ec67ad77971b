import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { closeSync, fsyncSync, mkdtempSync, openSync, readFileSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Group, groupMetric, groupOffset, hostMetric } from '@muster/host-metrics';
import { systemClock } from '@muster/runtime/program';
import { eventually } from '@muster/runtime/testing';
import type { Reading } from '../contract/host-reader.js';
import { CpuUtilization, UTILIZATION } from '../cpu-utilization.js';
import { AgentUsage } from './agent-usage.js';
import { LinuxReader } from './linux-reader.js';

const onLinux = process.platform === 'linux' ? describe : describe.skip;
const LOAD_MS = 30_000;
const MAX_FILE_BYTES = 128 * 1024 * 1024;
/** Connections that the test makes. */
const ESTABLISHED = 400;
const HALF_CLOSED = 200;

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

const cpuCount = (reading: Reading): number => reading.shape.names.core.length;

/** What the agent, the kernel and vmstat say at once, in KiB. */
function readMemory(): Record<'own' | 'kernel' | 'vmstat', Record<string, number>> {
  const reading = reader.read();
  const kernel = new Map([...proc('meminfo').matchAll(/^(\w+):\s+(\d+)/gm)].map(([, key, kib]) => [key!, Number(kib)]));
  const lines = execFileSync('vmstat', ['-S', 'K'], { encoding: 'utf8' }).trim().split('\n');
  const vmstat = lines.at(-1)!.trim().split(/\s+/).slice(3, 6).map(Number);
  const states = ['used', 'free', 'cached', 'buffers'].map((state): [string, number] => [
    state,
    host(reading, 'system.memory.usage', { 'system.memory.state': state }),
  ]);
  return {
    own: { ...Object.fromEntries(states), available: host(reading, 'system.linux.memory.available') },
    kernel: {
      ...{ free: kernel.get('MemFree')!, available: kernel.get('MemAvailable')!, buffers: kernel.get('Buffers')! },
      cached: kernel.get('Cached')! + kernel.get('SReclaimable')!,
    },
    vmstat: { free: vmstat[0]!, buffers: vmstat[1]!, cached: vmstat[2]! },
  };
}

/** Every counter lies between what was read just before and just after. */
function between(before: readonly number[], values: readonly number[], after: readonly number[]): void {
  for (const [i, value] of values.entries()) {
    expect(value).toBeGreaterThanOrEqual(before[i]!);
    expect(value).toBeLessThanOrEqual(after[i]!);
  }
}

/** What vmstat prints every second: so many fields, named by its second line. */
class Vmstat {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #text = '';

  constructor(seconds: number) {
    // The first line is about the time since the machine was started.
    this.#child = spawn('vmstat', ['-n', '-S', 'K', '1', String(seconds + 1)], { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.#text += text));
    this.#ended = once(this.#child, 'close');
  }

  /** The mean of a field over the seconds. */
  async mean(field: string): Promise<number> {
    await this.#ended;
    const [, names, , ...lines] = this.#text
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/));
    const values = lines.map((line) => Number(line[names!.indexOf(field)]));
    return meanOf(values);
  }
}

const meanOf = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Connections over loopback, both ends here: some established, some of which one end has closed. */
class Connections {
  readonly #server = createServer({ allowHalfOpen: true });
  readonly #sockets: Socket[] = [];

  async open(established: number, halfClosed: number): Promise<void> {
    this.#server.on('connection', (socket) => this.#sockets.push(socket.resume().on('error', () => undefined)));
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const { port } = this.#server.address() as AddressInfo;
    for (let i = 0; i < established + halfClosed; i += 1) {
      const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      this.#sockets.push(socket.resume().on('error', () => undefined));
      await once(socket, 'connect');
      if (i < halfClosed) socket.end();
    }
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

/** A busy loop, a written file, touched memory, a flood over loopback. `each` runs every second. */
async function makeLoad(folder: string, each: () => void): Promise<{ written: number; flooded: number }> {
  const receiver = createSocket('udp4');
  receiver.bind(0, '127.0.0.1');
  await once(receiver, 'listening');
  const { port } = receiver.address();
  const sender = createSocket('udp4');
  const file = openSync(join(folder, 'load'), 'w');
  const block = Buffer.alloc(256 * 1024, 7);
  const datagram = Buffer.alloc(8 * 1024, 7);
  const touched: Buffer[] = [];
  let [written, flooded, second] = [0, 0, 0];
  for (const fromMs = performance.now(); performance.now() < fromMs + LOAD_MS;) {
    if (written < MAX_FILE_BYTES) written += writeSync(file, block);
    if (written % (16 * block.length) === 0) fsyncSync(file);
    for (let i = 0; i < 8; i += 1) {
      sender.send(datagram, port, '127.0.0.1');
      flooded += datagram.length;
    }
    for (const spinMs = performance.now() + 20; performance.now() < spinMs;);
    await new Promise((resolve) => setImmediate(resolve));
    if (performance.now() < fromMs + second * 1_000) continue;
    second += 1;
    if (touched.length < 16) touched.push(Buffer.alloc(16 * 1024 * 1024, second));
    each();
  }
  fsyncSync(file);
  closeSync(file);
  await new Promise<void>((resolve) => sender.close(() => resolve()));
  receiver.close();
  return { written, flooded };
}

/** `ss` counts listening sockets and connections of IPv4 and IPv6. */
const SS_STATES: Readonly<Record<string, string>> = {
  ...{ established: 'ESTAB', listen: 'LISTEN', close_wait: 'CLOSE-WAIT', fin_wait_2: 'FIN-WAIT-2' },
  ...{ fin_wait_1: 'FIN-WAIT-1', time_wait: 'TIME-WAIT', syn_sent: 'SYN-SENT', last_ack: 'LAST-ACK' },
  ...{ closing: 'CLOSING' },
};

function ss(): Map<string, number> {
  const counts = new Map<string, number>(Object.values(SS_STATES).map((state) => [state, 0]));
  for (const line of execFileSync('ss', ['-Htan'], { encoding: 'utf8' }).trim().split('\n')) {
    const [state = ''] = line.split(/\s+/);
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  return counts;
}

/** Space in KiB, then inodes, of the mount points that the agent names. */
function df(mounts: readonly string[]): Map<string, string> {
  const fields = 'target,size,used,avail,itotal,iused';
  // It says 1 where it may not ask one of them.
  const { stdout } = spawnSync('df', ['-k', `--output=${fields}`, ...mounts], { encoding: 'utf8' });
  const lines = stdout.trim().split('\n').slice(1);
  return new Map(
    lines.map((line) => {
      const words = line.trim().split(/\s+/);
      return [words.slice(0, -5).join(' '), words.slice(-5).join(' ')] as const;
    }),
  );
}

interface Detailed {
  readonly tcp: ReadonlyMap<string, number>;
  readonly df: ReadonlyMap<string, string>;
}

/**
 * Compares the detailed set with `ss` and `df` until each state and each file system agreed exactly, in a moment in
 * which nothing changed between two runs of the tool. Other programs go on meanwhile, so that takes some moments.
 */
async function compareDetailed(): Promise<Detailed> {
  const tcp = new Map<string, number>();
  const disks = new Map<string, string>();
  const wrong: string[] = [];
  await eventually(async () => {
    const { filesystem } = reader.read().shape.names;
    const before = { tcp: ss(), df: df(filesystem) };
    await reader.refresh({ topProcesses: false });
    const after = { tcp: ss(), df: df(filesystem) };
    const reading = reader.read();
    wrong.length = 0;
    for (const [name, state] of Object.entries(SS_STATES)) {
      const own = host(reading, 'system.network.connection.count', {
        ...{ 'network.transport': 'tcp', 'network.connection.state': name },
      });
      if (own === before.tcp.get(state) && own === after.tcp.get(state)) tcp.set(name, own);
      if (!tcp.has(name)) wrong.push(`${name}: ${own}, by ss ${before.tcp.get(state)} and ${after.tcp.get(state)}`);
    }
    for (const mount of filesystem) {
      const told = after.df.get(mount);
      if (told === undefined) continue;
      const own = spaceOf(reading, mount);
      if (own === told && own === before.df.get(mount)) disks.set(mount, own);
      if (!disks.has(mount)) wrong.push(`${mount}: ${own}, by df ${before.df.get(mount)} and ${told}`);
    }
    if (wrong.length > 0) throw new Error(wrong.join('; '));
    return filesystem.length > 0;
  }, 'ss and df to agree');
  return { tcp, df: disks };
}

/** As {@link df} has them. */
function spaceOf(reading: Reading, mount: string): string {
  const state = (name: string, of_: string): number =>
    of(reading, 'filesystem', mount, name, { 'system.filesystem.state': of_ });
  const [used, free] = ['used', 'free'].map((each) => state('system.filesystem.inodes.usage', each));
  return [
    of(reading, 'filesystem', mount, 'system.filesystem.limit'),
    ...['used', 'free'].map((each) => state('system.filesystem.usage', each)),
    ...[used! + free!, used!],
  ].join(' ');
}

onLinux('the numbers of this machine are true over thirty seconds of load', () => {
  const connections = new Connections();
  let folder: string;
  beforeAll(() => void (folder = mkdtempSync(join(tmpdir(), 'muster-load-'))));
  afterAll(() => {
    connections.close();
    rmSync(folder, { recursive: true });
  });

  test('counters of processors, loopback and disks exactly, shares of time and memory within two points of the kernel and vmstat, TCP states and file systems as ss and df', async () => {
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
    const quiet = await compareDetailed();
    await connections.open(ESTABLISHED, HALF_CLOSED);
    const vmstat = new Vmstat(LOAD_MS / 1_000);
    const before = read();
    const memory: ReturnType<typeof readMemory>[] = [];
    const { written, flooded } = await makeLoad(folder, () => void memory.push(readMemory()));
    const after = read();
    const loaded = await compareDetailed();

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
    const [from, to] = [before.cpu[0]!, after.cpu[1]!];
    const grown = to.map((ticks, i) => ticks - from[i]!);
    const total = grown.reduce((sum, ticks) => sum + ticks, 0);
    const busy = after.reading.values[UTILIZATION]! / 1_000;
    expect(Math.abs(busy - (1 - (grown[3]! + grown[4]!) / total))).toBeLessThan(0.02);
    const idle = (await vmstat.mean('id')) + (await vmstat.mean('wa'));
    expect(Math.abs(busy - (1 - idle / 100))).toBeLessThan(0.02);
    // One processor at least was busy in the loop.
    expect(busy * cpuCount(after.reading)).toBeGreaterThan(0.5);

    const growth = (values: (reading: Reading) => number): number => values(after.reading) - values(before.reading);
    expect(growth((reading) => loopbackOf(reading)[0]!)).toBeGreaterThanOrEqual(flooded);
    expect(growth((reading) => loopbackOf(reading)[1]!)).toBeGreaterThanOrEqual(flooded);
    const sectors = (reading: Reading): number =>
      reading.shape.names.disk.reduce(
        (sum, name) => sum + of(reading, 'disk', name, 'system.disk.io', { 'disk.io.direction': 'write' }),
        0,
      );
    expect(growth(sectors) * 512).toBeGreaterThanOrEqual(written);

    const limit = host(after.reading, 'system.memory.limit');
    expect(memory.length).toBeGreaterThan(LOAD_MS / 2_000);
    for (const name of ['free', 'cached', 'buffers', 'available']) {
      const mean = (of_: 'own' | 'kernel' | 'vmstat'): number => meanOf(memory.map((each) => each[of_][name]! / limit));
      expect(Math.abs(mean('own') - mean('kernel'))).toBeLessThan(0.02);
      if (name !== 'available') expect(Math.abs(mean('own') - mean('vmstat'))).toBeLessThan(0.02);
    }

    const more = (name: string): number => loaded.tcp.get(name)! - quiet.tcp.get(name)!;
    // Both ends are here. Others come and go, but not so many.
    expect(more('established')).toBeGreaterThan(ESTABLISHED);
    expect(more('close_wait')).toBeGreaterThan(HALF_CLOSED / 2);
    expect(more('fin_wait_2')).toBeGreaterThan(HALF_CLOSED / 2);
  });

  test('memory: the four states add up', () => {
    const { own } = readMemory();
    const limit = Number(/^MemTotal:\s+(\d+)/m.exec(proc('meminfo'))![1]);
    expect(host(reader.read(), 'system.memory.limit')).toBe(limit);
    expect(own['used']! + own['free']! + own['cached']! + own['buffers']!).toBe(limit);
  });

  test('space that is kept for root makes up the difference; processes, threads and open files as the kernel counts them', async () => {
    await reader.refresh({ topProcesses: false });
    const reading = reader.read();
    const usage = (state: string): number =>
      of(reading, 'filesystem', '/', 'system.filesystem.usage', { 'system.filesystem.state': state });
    const root = statfsSync('/');
    const size = root.blocks * (root.bsize / 1_024);
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
