import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { decodeKeyframe, encodeKeyframe, type Group, groupOffset, hostMetric } from '@muster/host-metrics';
import { systemClock } from '@muster/runtime/program';
import fc from 'fast-check';
import * as recorded from '../../testing/recorded-macos.js';
import type { Reading } from '../contract/host-reader.js';
import { type Measurements, ReadingComposer } from '../contract/measurements.js';
import { SamplingProgram } from '../program/sampling-program.js';
import { MacosPlatform } from './macos-platform.js';

const GIB = 1_024 ** 3;
const TOKEN = '0123456789abcdef01234567';
const COST = '0m0.50s 0m0.25s\n0m1.00s 0m2.00s\n';
const STANDARD = {
  disks: recorded.IOREG,
  interfaces: recorded.NETSTAT_INTERFACES,
  memory: recorded.VM_STAT,
  paging: recorded.SYSCTL,
  cost: COST,
};
const DETAILED = {
  processes: recorded.PS,
  connections: 'ESTABLISHED 2\nLISTEN 1\nTIME_WAIT 1\nFIN_WAIT_2 1\n',
  filesystems: recorded.DF,
  batteries: recorded.PMSET,
};

const platform = (): MacosPlatform => new MacosPlatform({ memory: () => 16 * GIB });
const text = (parts: Readonly<Record<string, string>>): string =>
  Object.entries(parts)
    .map(([name, part]) => `${TOKEN} ${name}\n${part}`)
    .join('');

function reading(...sets: (Measurements | undefined)[]): Reading {
  return new ReadingComposer().compose(...sets.map((set) => set!));
}

function host({ values }: Reading, name: string, attributes: Record<string, string> = {}): number {
  return values[hostMetric(name, attributes)]!;
}

function row({ shape, values }: Reading, group: Group, instance: string): number[] {
  const at = shape.names[group].indexOf(instance);
  return [...values.subarray(groupOffset(shape, group, at, 0), groupOffset(shape, group, at + 1, 0))];
}

function expectStandard(one: Reading): void {
  const none = Number.NaN;
  expect(one.shape.names).toMatchObject({ disk: ['disk0'], interface: ['en0', 'utun3'] });
  expect(row(one, 'disk', 'disk0')).toEqual([1_000, 2_000, 200, 300, 5, 7, none]);
  expect(row(one, 'interface', 'en0')).toEqual([38_999_885, 7_729_231, 293_277, 84_127, 5, 6, none, 7]);
  expect(row(one, 'interface', 'utun3')).toEqual([4_000, 5_000, 40, 50, 0, 0, none, 0]);
  expect(host(one, 'muster.agent.omitted', { group: 'interface' })).toBe(1);
  const state = (name: string): number => host(one, 'system.memory.usage', { 'system.memory.state': name });
  expect([state('free'), state('cached')]).toEqual([20_000 * 16, 141_000 * 16]);
  expect(host(one, 'system.paging.usage', { 'system.paging.state': 'used' })).toBe(1_012.5 * 1_024);
  expect(host(one, 'system.paging.usage', { 'system.paging.state': 'free' })).toBe(1_035.5 * 1_024);
}

function expectDetailed(one: Reading): void {
  const none = Number.NaN;
  const processes = (state: string): number => host(one, 'system.process.count', { 'process.status': state });
  expect(['running', 'sleeping', 'blocked', 'stopped', 'defunct'].map(processes)).toEqual([1, 2, 1, 0, 1]);
  const connections = (state: string): number =>
    host(one, 'system.network.connection.count', { 'network.connection.state': state });
  expect(['established', 'listen', 'time_wait', 'fin_wait_2', 'closing'].map(connections)).toEqual([2, 1, 1, 1, 0]);
  expect(one.shape.names.filesystem).toEqual(['/', '/System/Volumes/Data', '/Volumes/My Backup']);
  const sizes = [482_797_652, 10_485_760, 241_398_826, none];
  expect(row(one, 'filesystem', '/')).toEqual([...sizes, 404_167, 2_413_988_260]);
  expect(row(one, 'filesystem', '/System/Volumes/Data').slice(4)).toEqual([none, none]);
  expect(row(one, 'battery', 'InternalBattery-0')).toEqual([95, 1]);
}

describe('recorded output of the tools of macOS', () => {
  test('the standard set', () => {
    const answer = platform().standard(text(STANDARD));
    expectStandard(reading(answer?.set));
    expect(host(reading(answer?.set), 'system.memory.usage', { 'system.memory.state': 'used' })).toBe(
      16 * 1_024 * 1_024 - 161_000 * 16,
    );
    expect(answer?.cost?.cpuMs).toBe(3_750);
  });

  test('the detailed set', () => {
    const answer = platform().detailed(text(DETAILED));
    expectDetailed(reading(answer?.set));
    expect(answer?.processes?.[2]).toEqual({
      ...{ pid: 812, name: 'Safari Helper', user: 'anna', start: 'Mon Dec  1 09:12:44 2026' },
      ...{ cpuMs: 600_000, residentBytes: 204_800 * 1_024 },
    });
  });

  test('tools that are missing, fail, or write numbers in another way leave their part absent', () => {
    expect(platform().standard('')).toBeUndefined();
    expect(platform().standard('sh: ioreg: not found\n')).toBeUndefined();
    const silent = reading(platform().standard(text({ disks: '', interfaces: '', memory: '', paging: '' }))?.set);
    expect([...silent.values].every((value) => Number.isNaN(value))).toBe(true);
    const comma = {
      ...STANDARD,
      paging: 'total = 2048,00M  used = 1012,50M  free = 1035,50M\n',
      memory: 'Seiten: 5\n',
    };
    const one = reading(platform().standard(text(comma))?.set);
    expect(host(one, 'system.paging.usage', { 'system.paging.state': 'used' })).toBeNaN();
    expect(host(one, 'system.memory.usage', { 'system.memory.state': 'free' })).toBeNaN();
    const processes = recorded.PS.replaceAll(/(\d)\.(\d)/g, '$1,$2');
    const detailed = reading(platform().detailed(text({ processes }))?.set);
    expect(host(detailed, 'system.process.count', { 'process.status': 'running' })).toBeNaN();
  });

  test('any text gives a sample that can be encoded', () => {
    const composer = new ReadingComposer();
    const macos = platform();
    const piece = fc.constantFrom('-1', 'NaN', '1e400', '99999999999999999999999', '\0', ':', '\n', ' ', 'ÿ', '%', '"');
    const edits = fc.array(fc.tuple(fc.nat(1_000), piece), { maxLength: 8 });
    const parts = fc.constantFrom(...Object.entries({ ...STANDARD, ...DETAILED }));
    fc.assert(
      fc.property(fc.array(fc.tuple(parts, edits), { maxLength: 4 }), (all) => {
        const edited = all.map(([[name, part], changes]): [string, string] => [
          name,
          changes.reduce((now, [at, put]) => `${now.slice(0, at)}${put}${now.slice(at + 1)}`, part),
        ]);
        const answer = `${TOKEN} none\n${text(Object.fromEntries(edited))}`;
        const sets = [macos.standard(answer)!.set, macos.detailed(answer)!.set];
        const sample = { seq: 1, atMs: 1, ...composer.compose(...sets) };
        expect([...decodeKeyframe(encodeKeyframe(sample)).values]).toEqual([...sample.values]);
      }),
      { numRuns: 300 },
    );
  });
});

describe('the script in a real shell, with tools that print what is recorded', () => {
  let folder: string;
  let program: SamplingProgram;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'muster-macos-'));
    const says = (tool: string, output: string): void => {
      writeFileSync(join(folder, `${tool}.txt`), output);
      put(tool, `cat "$0.txt"`);
    };
    const put = (tool: string, script: string): void => {
      writeFileSync(join(folder, tool), `#!/bin/sh\n${script}\n`);
      chmodSync(join(folder, tool), 0o755);
    };
    for (const [tool, output] of Object.entries({ ioreg: recorded.IOREG, vm_stat: recorded.VM_STAT }))
      says(tool, output);
    for (const [tool, output] of Object.entries({ sysctl: recorded.SYSCTL, ps: recorded.PS })) says(tool, output);
    says('df', recorded.DF);
    writeFileSync(join(folder, 'pmset.txt'), recorded.PMSET);
    // One that reads what is there to be read: it must not get the requests.
    put('pmset', 'cat; cat "$0.txt"');
    writeFileSync(join(folder, 'interfaces.txt'), recorded.NETSTAT_INTERFACES);
    writeFileSync(join(folder, 'tcp.txt'), recorded.NETSTAT_TCP);
    put('netstat', `case $1 in -ibdn) cat "\${0%/*}/interfaces.txt";; *) cat "\${0%/*}/tcp.txt";; esac`);
    const { command } = platform();
    const env = { ...command.env, PATH: `${folder}:${command.env['PATH']}` };
    program = new SamplingProgram({ command: { ...command, env }, clock: systemClock });
  });
  afterEach(() => {
    program.close();
    rmSync(folder, { recursive: true, force: true });
  });

  test('ends when the agent has', () => {
    const { file, args, env } = platform().command;
    expect(spawnSync(file, args, { env, input: '' })).toMatchObject({ status: 0, stdout: Buffer.alloc(0) });
  });

  test('answers both questions, again and again, and says what it has cost', async () => {
    const macos = platform();
    for (let i = 0; i < 3; i += 1) {
      const standard = await program.ask({ ask: 'standard', parse: (answer) => macos.standard(answer) });
      expectStandard(reading(standard?.set));
      expect(standard?.cost?.cpuMs).toBeGreaterThanOrEqual(0);
      const detailed = await program.ask({ ask: 'detailed', parse: (answer) => macos.detailed(answer) });
      expectDetailed(reading(detailed?.set));
      expect(detailed?.processes).toHaveLength(5);
    }
  });
});
