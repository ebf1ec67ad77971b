import { describe, expect, test } from '@jest/globals';
import { decodeKeyframe, encodeKeyframe, type Group, GROUP_LIMIT, groupOffset, hostMetric } from '@muster/host-metrics';
import fc from 'fast-check';
import type { Reading } from '../contract/host-reader.js';
import { type Measurements, ReadingComposer } from '../contract/measurements.js';
import { DETAILED, STANDARD, USERS } from '../../testing/recorded-powershell.js';
import { SAMPLING_SCRIPT } from './sampling-script.js';
import { WindowsPlatform } from './windows-platform.js';

const GIB = 1_024 ** 3;
const platform = (): WindowsPlatform => new WindowsPlatform({ env: {}, memory: () => 8 * GIB });

function reading(...sets: (Measurements | undefined)[]): Reading {
  return new ReadingComposer().compose(...sets.map((set) => set!));
}

function host({ values }: Reading, name: string, attributes: Record<string, string> = {}): number {
  return values[hostMetric(name, attributes)]!;
}

function row({ shape, values }: Reading, group: Group, instance: string): number[] {
  const from = groupOffset(shape, group, shape.names[group].indexOf(instance), 0);
  return [...values.subarray(from, groupOffset(shape, group, shape.names[group].indexOf(instance) + 1, 0))];
}

describe('recorded answers of PowerShell', () => {
  test('disks and interfaces', () => {
    const windows = platform();
    const first = reading(windows.standard(STANDARD)?.set);
    expect(first.shape.names.disk).toEqual(['0 C:']);
    expect(row(first, 'disk', '0 C:')).toEqual([1_000, 2_000, 100, 200, 3_000, 4_000, 0]);
    expect(first.shape.names.interface).toEqual(['Büro', 'Ethernet 2']);
    expect(row(first, 'interface', 'Ethernet 2')).toEqual([1_000, 2_000, 10, 20, 1, 2, 3, 4]);
    expect(host(first, 'muster.agent.omitted', { group: 'disk' })).toBe(0);
    // A second later, in half of which the disk was busy.
    const later = STANDARD.replace('134000000000000000,134000000500000000', '134000000005000000,134000000510000000');
    expect(row(reading(windows.standard(later)?.set), 'disk', '0 C:')[6]).toBe(500);
    // It has started again.
    const again = STANDARD.replace('134000000000000000,134000000500000000', '7000000,8000000');
    expect(row(reading(windows.standard(again)?.set), 'disk', '0 C:')[6]).toBe(0);
  });

  test('memory adds up to what there is', () => {
    const one = reading(platform().standard(STANDARD)?.set);
    const state = (name: string): number => host(one, 'system.memory.usage', { 'system.memory.state': name });
    expect(state('free')).toBe(2 * 1_024 * 1_024);
    expect(state('cached')).toBe(1_150 * 1_024);
    expect(state('used') + state('free') + state('cached')).toBe(8 * 1_024 * 1_024);
  });

  test('what the detailed set has', () => {
    const answer = platform().detailed(DETAILED);
    const one = reading(answer?.set);
    const connections = (state: string): number =>
      host(one, 'system.network.connection.count', { 'network.connection.state': state });
    expect(['established', 'listen', 'time_wait', 'close_wait', 'closing'].map(connections)).toEqual([42, 18, 7, 3, 0]);
    expect(host(one, 'system.process.count', { 'process.status': 'running' })).toBe(3);
    expect(host(one, 'system.process.count', { 'process.status': 'sleeping' })).toBeNaN();
    expect(host(one, 'system.thread.count')).toBe(233);
    expect(host(one, 'system.paging.usage', { 'system.paging.state': 'used' })).toBe(512 * 1_024);
    expect(host(one, 'system.paging.usage', { 'system.paging.state': 'free' })).toBe(3_584 * 1_024);
    expect(one.shape.names).toMatchObject({ filesystem: ['C:'], battery: [' 2145 ASUS Battery'] });
    const kib = [255_403_749_376, 159_628_738_560, 95_775_010_816].map((bytes) => Math.round(bytes / 1_024));
    expect(row(one, 'filesystem', 'C:')).toEqual([...kib, 0, Number.NaN, Number.NaN]);
    expect(row(one, 'battery', ' 2145 ASUS Battery')).toEqual([83, 1]);
    expect(one.shape.names.temperature).toEqual(['\\_TZ.THRM']);
    expect(row(one, 'temperature', '\\_TZ.THRM')[0]).toBeCloseTo(611, 0);
    expect(answer?.processes?.map(({ pid, name, cpuMs }) => [pid, name, cpuMs])).toEqual([
      [4, 'System', 6_000],
      [812, 'svchost', 2_000],
      [1_340, 'svchost', 1_000],
    ]);
    expect(platform().users(USERS)?.get(812)).toBe('ACME\\müller');
  });
});

describe('what PowerShell says is corrected or dropped, and never stops the agent', () => {
  test.each(['', '{', 'null', '[]', '7', 'Get-CimInstance : Zugriff verweigert'])('no answer: %p', (text) => {
    expect(platform().standard(text)).toBeUndefined();
    expect(platform().detailed(text)).toBeUndefined();
    expect(platform().users(text)).toBeUndefined();
  });

  test('classes that are missing, numbers as texts, below zero, with a part, and too large are absent', () => {
    const missing = reading(platform().standard('{"disks":null,"own":null}')?.set, platform().detailed('{}')?.set);
    expect(missing.shape.length).toBe(reading().shape.length);
    expect([...missing.values].every((value) => Number.isNaN(value))).toBe(true);
    const odd = '{"interfaces":[["a","Ethernet",7,5,"1.000",-1,0.5,1e300,null,{}]],"memory":[["x",1,1,1]]}';
    const one = reading(platform().standard(odd)?.set);
    expect(row(one, 'interface', 'a')).toEqual([7, 5, ...Array<number>(6).fill(Number.NaN)]);
    expect(host(one, 'system.memory.usage', { 'system.memory.state': 'free' })).toBeNaN();
    const battery = reading(platform().detailed('{"batteries":[["b",255,10]]}')?.set);
    expect(row(battery, 'battery', 'b')).toEqual([Number.NaN, Number.NaN]);
  });

  test('a thousand disks are bounded, the rest is counted; names are readable and short', () => {
    const disks = Array.from({ length: 1_000 }, (_, i) => [`${i} \u202e${'ü'.repeat(200)}`, i, 0, 1, 1, 1, 1, 1, 2]);
    const one = reading(platform().standard(JSON.stringify({ disks }))?.set);
    expect(one.shape.names.disk).toHaveLength(GROUP_LIMIT.disk);
    expect(host(one, 'muster.agent.omitted', { group: 'disk' })).toBe(999 - GROUP_LIMIT.disk);
    expect(one.shape.names.disk.every((name) => Buffer.byteLength(name) <= 128 && !name.includes('\u202e'))).toBe(true);
  });

  test('any JSON gives a sample that can be encoded', () => {
    const names = ['disks', 'interfaces', 'memory', 'own', 'processes', 'connections', 'volumes', 'paging'];
    const cell = fc.oneof(fc.string(), fc.double(), fc.maxSafeInteger(), fc.constant(null), fc.constant('0 C:'));
    const answers = fc.dictionary(
      fc.constantFrom(...names, 'batteries', 'temperatures', 'users'),
      fc.oneof(fc.array(fc.array(cell, { maxLength: 10 }), { maxLength: 5 }), fc.jsonValue()),
    );
    const windows = platform();
    const composer = new ReadingComposer();
    fc.assert(
      fc.property(answers, (answer) => {
        const text = JSON.stringify(answer);
        windows.users(text);
        const sets = [windows.standard(text)!.set, windows.detailed(text)!.set];
        const sample = { seq: 1, atMs: 1, ...composer.compose(...sets) };
        expect([...decodeKeyframe(encodeKeyframe(sample)).values]).toEqual([...sample.values]);
      }),
      { numRuns: 300 },
    );
  });
});

test('the script can be passed on a command line of Windows, and leaves its input to itself', () => {
  expect(SAMPLING_SCRIPT).not.toMatch(/"/);
  expect(SAMPLING_SCRIPT).not.toMatch(/\$input/i);
  expect(SAMPLING_SCRIPT).toMatch(/^[\n\x20-\x7e]*$/);
  // CreateProcess takes 32,767 characters.
  expect(SAMPLING_SCRIPT.length).toBeLessThan(16_000);
});
