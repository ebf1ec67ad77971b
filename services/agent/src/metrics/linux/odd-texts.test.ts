import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import {
  decodeKeyframe,
  encodeKeyframe,
  GROUP_LIMIT,
  groupMetric,
  groupOffset,
  hostMetric,
} from '@muster/host-metrics';
import { FakeClock } from '@muster/runtime/testing';
import fc from 'fast-check';
import type { Reading } from '../contract/host-reader.js';
import { AgentUsage } from './agent-usage.js';
import { LinuxReader } from './linux-reader.js';
import { parseProcessStat } from './parse/process.js';
import { parseLocalMounts } from './parse/mountinfo.js';

let root: string;
let reader: LinuxReader;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'muster-root-'));
  reader = new LinuxReader({ usage: new AgentUsage(() => []), clock: new FakeClock(), root });
});
afterEach(() => {
  reader.close();
  rmSync(root, { recursive: true, force: true });
});

function put(path: string, text: string | Uint8Array): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function host({ values }: Reading, name: string, attributes: Record<string, string> = {}): number {
  return values[hostMetric(name, attributes)]!;
}

const FILES = [
  'stat',
  'meminfo',
  'loadavg',
  'uptime',
  'diskstats',
  'net/dev',
  'pressure/cpu',
  'pressure/memory',
  'pressure/io',
];
const DETAILED = [
  'net/sockstat',
  'net/sockstat6',
  'net/tcp',
  'net/tcp6',
  'net/snmp',
  'sys/fs/file-nr',
  'self/cgroup',
  'self/mountinfo',
  '7/stat',
];
const GOOD: Readonly<Record<string, string>> = {
  stat: 'cpu  10 1 2 3 4 5 6 7 0 0\ncpu0 10 1 2 3 4 5 6 7 0 0\nintr 5 1 2\nprocesses 99\n',
  meminfo:
    'MemTotal: 1000 kB\nMemFree: 100 kB\nMemAvailable: 500 kB\nBuffers: 50 kB\nCached: 200 kB\nSwapTotal: 10 kB\nSwapFree: 4 kB\n',
  loadavg: '1.25 2.50 3.75 1/200 77\n',
  uptime: '12.34 5.00\n',
  diskstats: ' 8 0 sda 1 0 10 2 3 0 20 4 0 5 6\n 8 1 sda1 1 0 10 2 3 0 20 4 0 5 6\n',
  'net/dev': 'Inter-|   Receive\n face |bytes\n  eth0: 100 2 0 1 0 0 0 0 300 4 0 0 0 0 0 0\n',
  'pressure/cpu': 'some avg10=1.00 avg60=1.00 avg300=1.00 total=77\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n',
};

/** Texts as the kernel's, with parts of them replaced by anything. */
const odd = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  fc
    .tuple(
      fc.constantFrom(
        ...Object.values(GOOD),
        '7 (a) R 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22\n',
        'TCP: inuse 5 orphan 0 tw 1\n',
        '0::/a\n',
      ),
      fc.array(
        fc.tuple(
          fc.nat(400),
          fc.constantFrom(
            '-1',
            'NaN',
            '1e400',
            '99999999999999999999999',
            '\u0000',
            ':',
            '(',
            '\n',
            ' ',
            '-9223372036854775808',
            'ÿ',
          ),
        ),
        { maxLength: 6 },
      ),
    )
    .map(([text, edits]) =>
      Buffer.from(
        edits.reduce((all, [at, piece]) => `${all.slice(0, at)}${piece}${all.slice(at + 1)}`, text),
        'latin1',
      ),
    ),
);

describe('what the kernel says is corrected or dropped, and never stops the agent', () => {
  test('any bytes in any file give a sample that can be encoded', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(...FILES, ...DETAILED), odd), { maxLength: 6 }),
        async (files) => {
          for (const [path, bytes] of files) put(`proc/${path}`, bytes);
          await reader.refresh({ topProcesses: true });
          const reading = reader.read();
          const sample = { seq: 1, atMs: 1, ...reading };
          expect([...decodeKeyframe(encodeKeyframe(sample)).values]).toEqual([...reading.values]);
        },
      ),
      { numRuns: 150 },
    );
  });

  test('texts as they should be', () => {
    for (const [path, text] of Object.entries(GOOD)) put(`proc/${path}`, text);
    mkdirSync(join(root, 'sys/block/sda'), { recursive: true });
    const reading = reader.read();
    expect(host(reading, 'system.cpu.time', { 'cpu.mode': 'steal' })).toBe(7);
    expect(host(reading, 'system.process.created')).toBe(99);
    expect(host(reading, 'system.memory.usage', { 'system.memory.state': 'used' })).toBe(650);
    expect(host(reading, 'system.paging.usage', { 'system.paging.state': 'used' })).toBe(6);
    expect(host(reading, 'system.cpu.load_average.5m')).toBe(250);
    expect(host(reading, 'system.uptime')).toBe(12);
    expect(host(reading, 'system.linux.pressure.stall_time', { resource: 'cpu', stalled: 'some' })).toBe(77);
    expect(host(reading, 'system.linux.pressure.stall_time', { resource: 'io', stalled: 'some' })).toBeNaN();
    expect(reading.shape.names).toMatchObject({ core: ['0'], disk: ['sda'], interface: ['eth0'] });
    const disk = groupOffset(reading.shape, 'disk', 0, 0);
    expect([...reading.values.subarray(disk, disk + 7)]).toEqual([10, 20, 1, 3, 2, 4, 5]);
    const core = groupOffset(reading.shape, 'core', 0, 0);
    expect([...reading.values.subarray(core, core + 5)]).toEqual([11, 13, 3, 4, 7]);
  });

  test('times of processors that go back a little stand still; other counters start again, beyond the bounds too', () => {
    const idle = (ticks: number): number => {
      put('proc/stat', `cpu  1 1 1 ${ticks} 1 1 1 1\ncpu0 1 1 1 ${ticks} 1 1 1 1\n`);
      return host(reader.read(), 'system.cpu.time', { 'cpu.mode': 'idle' });
    };
    expect([idle(90_000), idle(89_990), idle(90_005), idle(5)]).toEqual([90_000, 90_000, 90_005, 5]);
    const received = (bytes: string): number => {
      put('proc/net/dev', `  eth0: ${bytes} 2 0 1 0 0 0 0 300 4 0 0 0 0 0 0\n`);
      const reading = reader.read();
      const at = groupMetric('interface', 'system.network.io', { 'network.io.direction': 'receive' });
      return reading.values[groupOffset(reading.shape, 'interface', 0, at)]!;
    };
    expect([received('500'), received('3'), received(String(2 ** 51 + 4096))]).toEqual([500, 3, 4096]);
  });

  test('of a thousand interfaces and disks the busiest are chosen and stay chosen; the rest is counted', () => {
    const line = (i: number, bytes: number): string => `  if${i}: ${bytes} 2 0 1 0 0 0 0 300 4 0 0 0 0 0 0\n`;
    const write = (bytes: (i: number) => number): Reading => {
      put('proc/net/dev', Array.from({ length: 1_000 }, (_, i) => line(i, bytes(i))).join(''));
      put(
        'proc/diskstats',
        Array.from({ length: 1_000 }, (_, i) => ` 8 ${i} dm-${i} 1 0 ${i} 2 3 0 20 4 0 5 6\n`).join(''),
      );
      return reader.read();
    };
    const first = write((i) => i);
    expect(first.shape.names.interface).toHaveLength(GROUP_LIMIT.interface);
    expect(first.shape.names.interface).toContain('if999');
    expect(host(first, 'muster.agent.omitted', { group: 'interface' })).toBe(1_000 - GROUP_LIMIT.interface);
    const second = write((i) => 1_000 - i);
    expect(second.shape).toBe(first.shape);
    // Another one comes, and the choice is made again.
    const busiestFirst = Array.from({ length: 1_000 }, (_, i) => line(i, 1_000 - i));
    put('proc/net/dev', [...busiestFirst, line(1_000, 5)].join(''));
    expect(reader.read().shape.names.interface).toEqual(first.shape.names.interface);
    put('proc/net/dev', Array.from({ length: 500 }, (_, i) => line(i, 1_000 - i)).join(''));
    expect(reader.read().shape.names.interface).toContain('if0');
  });

  test('interfaces of containers are counted and not named; unused ones are neither; odd names become readable and stay unique', () => {
    const rest = ': 5 2 0 1 0 0 0 0 300 4 0 0 0 0 0 0\n';
    put(
      'proc/net/dev',
      Buffer.concat([
        Buffer.from(` veth1${rest} idle: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n`),
        Buffer.from([0x20, 0x61, 0xff, 0x62]),
        Buffer.from(rest),
        Buffer.from([0x20, 0x61, 0xfe, 0x62]),
        Buffer.from(rest),
        Buffer.from(` w${'ü'.repeat(100)}${rest}`),
      ]),
    );
    const reading = reader.read();
    const names = reading.shape.names.interface;
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(['a\uFFFDb', `w${'ü'.repeat(63)}`]);
    expect(host(reading, 'muster.agent.omitted', { group: 'interface' })).toBe(2);
  });

  test('a process may call itself anything', () => {
    const stat = parseProcessStat(
      Buffer.from('7 (a) R (b\n) c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22\n'),
    );
    expect(stat).toMatchObject({
      name: 'a) R (b\n) c',
      state: 'S',
      ticks: 23,
      threads: 17,
      startTicks: 19,
      residentPages: 21,
    });
  });
});

describe('the detailed set', () => {
  test('of a machine with sensors, batteries and limits', async () => {
    put('sys/class/hwmon/hwmon0/name', 'coretemp\n');
    put('sys/class/hwmon/hwmon0/temp1_input', '45500\n');
    put('sys/class/hwmon/hwmon0/temp1_label', 'Package id 0\n');
    put('sys/class/hwmon/hwmon0/temp2_input', '-9999999\n');
    put('sys/class/thermal/thermal_zone0/type', 'acpitz\n');
    put('sys/class/thermal/thermal_zone0/temp', '27800\n');
    put('sys/class/power_supply/BAT0/type', 'Battery\n');
    put('sys/class/power_supply/BAT0/capacity', '83\n');
    put('sys/class/power_supply/BAT0/status', 'Discharging\n');
    put('sys/class/power_supply/mouse/type', 'Battery\n');
    put('sys/class/power_supply/mouse/scope', 'Device\n');
    put('proc/sys/fs/file-nr', '2701\t1\t9223372036854775807\n');
    put('proc/self/cgroup', '0::/pod/app\n');
    put('proc/self/mountinfo', '30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n');
    put('sys/fs/cgroup/pod/cpu.max', '150000 100000\n');
    put('sys/fs/cgroup/pod/app/cpu.max', 'max 100000\n');
    put('sys/fs/cgroup/pod/app/cpu.stat', 'usage_usec 5\nthrottled_usec 1234\n');
    put('sys/fs/cgroup/pod/app/memory.max', '536870912\n');
    put('sys/fs/cgroup/pod/app/memory.current', '1048576\n');
    await reader.refresh({ topProcesses: false });
    const reading = reader.read();
    expect(reading.shape.names.temperature).toEqual([
      'coretemp Package id 0',
      'coretemp temp2',
      'thermal_zone0 acpitz',
    ]);
    const temperature = groupOffset(reading.shape, 'temperature', 0, 0);
    expect([...reading.values.subarray(temperature, temperature + 3)]).toEqual([455, Number.NaN, 278]);
    expect(reading.shape.names.battery).toEqual(['BAT0']);
    const battery = groupOffset(reading.shape, 'battery', 0, 0);
    expect([...reading.values.subarray(battery, battery + 2)]).toEqual([83, 1]);
    expect(host(reading, 'system.linux.file_handle.count')).toBe(2_700);
    expect(host(reading, 'system.linux.file_handle.limit')).toBeNaN();
    expect(host(reading, 'container.cpu.limit')).toBe(1_500);
    expect(host(reading, 'container.cpu.throttled_time')).toBe(1_234);
    expect(host(reading, 'container.memory.limit')).toBe(536_870_912);
    expect(host(reading, 'container.memory.usage')).toBe(1_048_576);
  });

  test('limits of version 1, where the largest number is none', async () => {
    put('proc/self/cgroup', '4:memory:/app\n1:cpu,cpuacct:/app\n0::/\n');
    put(
      'proc/self/mountinfo',
      '32 1 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n35 1 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n',
    );
    put('sys/fs/cgroup/cpu/app/cpu.cfs_quota_us', '50000\n');
    put('sys/fs/cgroup/cpu/app/cpu.cfs_period_us', '100000\n');
    put('sys/fs/cgroup/cpu/app/cpu.stat', 'throttled_time 5000000\n');
    put('sys/fs/cgroup/memory/app/memory.limit_in_bytes', '9223372036854771712\n');
    put('sys/fs/cgroup/memory/app/memory.usage_in_bytes', '5\n');
    await reader.refresh({ topProcesses: false });
    const reading = reader.read();
    expect(host(reading, 'container.cpu.limit')).toBe(500);
    expect(host(reading, 'container.cpu.throttled_time')).toBe(5_000);
    expect(host(reading, 'container.memory.limit')).toBeNaN();
    expect(host(reading, 'container.memory.usage')).toBeNaN();
  });

  test('connections by state; of very many only what the kernel has counted', async () => {
    const line = (i: number, state: string): string =>
      `${String(i).padStart(4)}: 0100007F:1F90 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000 0 0 1 1 0 100 0 0 10 0`.padEnd(
        149,
      ) + '\n';
    const states = Array.from({ length: 2_000 }, (_, i) => ['01', '06', '0A', '0C'][i % 4]!);
    put('proc/net/tcp', `  sl  local_address rem_address   st\n${states.map((state, i) => line(i, state)).join('')}`);
    put('proc/net/sockstat', 'sockets: used 1\nTCP: inuse 1500 orphan 0 tw 500 alloc 1 mem 1\n');
    const count = async (state: string): Promise<number> => {
      await reader.refresh({ topProcesses: false });
      return host(reader.read(), 'system.network.connection.count', { 'network.connection.state': state });
    };
    for (const state of ['established', 'time_wait', 'listen', 'syn_recv']) expect(await count(state)).toBe(500);
    expect(await count('closing')).toBe(0);
    put('proc/net/sockstat', 'sockets: used 1\nTCP: inuse 90000 orphan 0 tw 500 alloc 1 mem 1\n');
    put('proc/net/snmp', 'Tcp: RtoMin CurrEstab InSegs\nTcp: 200 88000 7\n');
    expect([await count('established'), await count('time_wait')]).toEqual([88_000, 500]);
    expect(await count('listen')).toBeNaN();
  });

  test('file systems: local ones, once each, and none behind another machine', () => {
    const mounts = [
      '27 1 254:0 / / rw shared:1 - ext4 /dev/vda rw',
      '42 27 254:0 /run/netns /bind rw - ext4 /dev/vda rw',
      '43 27 0:50 / /mnt/nfs rw - nfs4 server:/x rw',
      '44 43 8:1 / /mnt/nfs/below rw - ext4 /dev/sda1 rw',
      '45 27 8:2 / /data\\040and\\040more rw - xfs /dev/sda2 rw',
      '46 27 0:51 / /proc rw - proc proc rw',
      '47 27 0:52 / /dev/shm rw - tmpfs tmpfs rw',
      '48 27 0:53 / /tmp rw - tmpfs tmpfs rw',
      '49 27 0:54 / /snap rw - squashfs /dev/loop1 ro',
      '50 27 0:55 / /var/lib/docker/overlay2/x rw - overlay overlay rw',
      '51 27 0:56 / /fuse rw - fuse.sshfs x rw',
      'nonsense',
      ' - ',
      '1 2 3 4',
    ];
    expect(parseLocalMounts(mounts.join('\n'))).toEqual(['/', '/data and more', '/tmp']);
  });
});
