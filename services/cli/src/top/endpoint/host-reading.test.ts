import { describe, expect, test } from '@jest/globals';
import { busy, readingOf, seriesOf, START_MS, USUAL, valuesAt } from '../../testing/host-samples.js';
import { readHost } from './host-reading.js';
import { HostSeries } from './host-series.js';

const GiB = 2 ** 30;

describe('a reading', () => {
  test('has shares, bytes and rates of everything that the catalogue names', () => {
    const reading = readingOf();
    const shares = { busy: 0.5, user: 0.3, system: 0.2, iowait: 0, steal: 0 };
    expect(reading).toMatchObject({
      ...{ cpu: 0.5, cpus: 2, load: [1.25, 1.25, 1.25], uptimeSeconds: 40, omitted: 0 },
      memory: { limit: 8 * GiB, used: GiB, free: GiB, cached: GiB, buffers: GiB, available: GiB },
      swap: { limit: 2 * GiB, used: GiB },
      processes: { total: 200, running: 40, threads: 40 },
      connections: { established: 40, listen: 40, timeWait: 40 },
      disks: [{ name: 'sda', readBytes: 2_048, writeBytes: 2_048, operations: 4_096, busy: 0.25 }],
      interfaces: [
        { name: 'lo', receiveBytes: 2_048, transmitBytes: 2_048, errors: 4_096, drops: 4_096 },
        { name: 'eth0', receiveBytes: 2_048 },
      ],
      fileSystems: [
        { name: '/', limit: 8 * GiB, used: GiB, free: GiB, share: 0.5 },
        { name: '/var/lib/docker', share: 0.5 },
      ],
      temperatures: [{ name: 'package', celsius: 40 }],
      batteries: [{ name: 'BAT0', charge: 0.8, discharging: 1 }],
      container: { cpuLimit: 8 * GiB, memoryLimit: 8 * GiB, memoryUsed: GiB },
      agent: { cpu: 0.25, memory: GiB },
    });
    expect(reading.cpuShares?.busy).toBeCloseTo(shares.busy);
    expect(reading.cores.map(({ name, user }) => [name, user?.toFixed(2)])).toEqual([
      ['0', '0.30'],
      ['1', '0.30'],
    ]);
    for (const share of Object.values(reading.pressure)) expect(share).toBeCloseTo(0.1);
    expect(Object.keys(reading.pressure)).toEqual(['cpu', 'memory', 'io']);
  });

  test('of odd values has no number that is not finite, negative, or a share above 1', () => {
    const odd = [Number.NaN, Infinity, -Infinity, -1, 1e308, null, 0];
    let at = 0;
    for (const start of odd.keys()) {
      at = start;
      const reading = readingOf(() => odd[at++ % odd.length] ?? null);
      for (const number of numbersOf(reading)) expect(Number.isFinite(number) && number >= 0).toBe(true);
      for (const { share } of reading.fileSystems) expect(share ?? 0).toBeLessThanOrEqual(1);
    }
  });

  test('has no rate of a counter that began anew, of a clock that stood still or went back, or without a sample before', () => {
    const series = new HostSeries(seriesOf());
    const sample = (atMs: number, second: number) => ({ atMs, series, values: valuesAt(second) });
    const rateOf = (atMs: number, second: number) =>
      readHost(sample(atMs, second), sample(START_MS, 10)).disks[0]?.readBytes;
    expect(rateOf(START_MS + 2_000, 12)).toBe(2_048);
    expect(rateOf(START_MS + 2_000, 3)).toBe(undefined);
    expect(rateOf(START_MS, 12)).toBe(undefined);
    expect(rateOf(START_MS - 5_000, 12)).toBe(undefined);
    expect(readHost(sample(START_MS, 1), undefined)).toMatchObject({ cpu: 0.5, disks: [{ name: 'sda' }] });
  });

  test('goes on when parts of the machine come and go, and when a part is called like an attribute', () => {
    const more = { ...USUAL, disk: ['nvme0', 'sda'], interface: ['receive'] };
    const before = { atMs: START_MS, series: new HostSeries(seriesOf()), values: valuesAt(1) };
    const now = { atMs: START_MS + 1_000, series: new HostSeries(seriesOf(more)), values: valuesAt(2, busy, more) };
    const { disks, interfaces } = readHost(now, before);
    expect(disks).toEqual([{ name: 'nvme0' }, expect.objectContaining({ name: 'sda', readBytes: 2_048 })]);
    expect(interfaces).toEqual([{ name: 'receive' }]);
    const again = readHost({ ...now, atMs: START_MS + 2_000, values: valuesAt(3, busy, more) }, now);
    expect(again.interfaces[0]).toMatchObject({ receiveBytes: 2_048, transmitBytes: 2_048 });
  });
});

function numbersOf(value: unknown): number[] {
  if (typeof value === 'number') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(numbersOf) : [];
}
