import { beforeEach, describe, expect, test } from '@jest/globals';
import { FakeClock } from '@muster/runtime/testing';
import type { DropReason } from './drop-reason.js';
import { LabelPolicy, type LabelPolicyOptions } from './label-policy.js';
import { compileDefinitions } from './metric-definition.js';
import { SeriesTable, type SeriesTableOptions } from './series-table.js';

const DEFINITIONS = compileDefinitions([
  { name: 'up', type: 'gauge' },
  { name: 'bytes_total', type: 'counter', labels: ['device', 'direction'] },
]);

describe('series table', () => {
  let clock: FakeClock;
  let table: SeriesTable;
  let pushed: string[];
  let dropped: Partial<Record<DropReason, number>>;

  const create = (options: Partial<SeriesTableOptions> = {}, labels: LabelPolicyOptions = {}): void => {
    clock = new FakeClock();
    pushed = [];
    dropped = {};
    table = new SeriesTable({
      definitions: DEFINITIONS,
      labels: new LabelPolicy(labels, DEFINITIONS.values()),
      clock,
      ...{ maxSeries: 100, maxSeriesPerEndpoint: 10, maxSampleAgeMs: 600_000, staleAfterMs: 50_000 },
      push: (_, { shape, endpoint }, timeMs, value) => {
        const names = [...shape.labels, ...endpoint.labels].map(({ name, value: text }) => `${name}=${text}`).join(' ');
        pushed.push(`${names} @${timeMs - clock.now()} ${Number.isNaN(value) ? 'stale' : value}`);
      },
      drop: (reason, samples) => (dropped[reason] = (dropped[reason] ?? 0) + samples),
      ...options,
    });
  };
  beforeEach(() => create());

  const up = (endpoint: string, value = 1, atMs = 0, labels: Record<string, unknown> = { agent: endpoint }): void =>
    table.append({ endpoint, labels, timestampMs: clock.now() + atMs, samples: [{ name: 'up', value }] });
  const sweepFor = (ms: number): void => {
    for (let passed = 0; passed < ms; passed += table.sweepEveryMs) {
      clock.advance(table.sweepEveryMs);
      table.sweep();
    }
  };

  test('a series takes later samples only', () => {
    up('a', 1, -10);
    up('a', 2, -10);
    up('a', 3, -11);
    up('a', 4, -9);
    expect(pushed).toEqual(['__name__=up agent=a @-10 1', '__name__=up agent=a @-9 4']);
    expect(dropped).toEqual({ out_of_order: 2 });
  });

  test('details leave room for the other series of their endpoint, whichever come first', () => {
    create({ maxSeriesPerEndpoint: 20 });
    const append = (isDetail: boolean, prefix: string): void =>
      table.append({
        ...{ endpoint: 'a', labels: { agent: 'a' }, timestampMs: clock.now() },
        samples: Array.from({ length: 30 }, (_, i) => {
          const sample = { name: 'bytes_total', labels: { device: `${prefix}${i}`, direction: 'in' }, value: 1 };
          return isDetail ? { ...sample, isDetail } : sample;
        }),
      });
    append(true, 'core');
    append(false, 'disk');
    const count = (prefix: string): number => pushed.filter((text) => text.includes(`device=${prefix}`)).length;
    expect([count('core'), count('disk'), dropped]).toEqual([15, 5, { endpoint_series_limit: 15 + 25 }]);
  });

  test('clocks that jump, and values that are no numbers, are dropped by reason', () => {
    up('a', 1, 60_001);
    up('a', 1, Number.NaN);
    up('a', 1, -600_001);
    up('a', 1, -1e15);
    up('a', Number.NaN);
    up('a', Number.NEGATIVE_INFINITY);
    up('a', 5);
    expect(pushed).toEqual(['__name__=up agent=a @0 5']);
    expect(dropped).toEqual({ in_future: 2, too_old: 2, not_finite: 2 });
  });

  test('no name of a metric or label comes from outside the definitions', () => {
    const samples = [
      { name: 'forged', value: 1 },
      { name: '__proto__', value: 1 },
      { name: 'bytes_total', labels: { device: 'eth0', forged: 'x' }, value: 1 },
      { name: 'bytes_total', labels: { device: 'eth0', direction: 'in' }, value: 1 },
    ];
    table.append({ endpoint: 'a', labels: { forged: 'x', agent: 'a' }, timestampMs: clock.now(), samples });
    expect(pushed).toEqual(['__name__=bytes_total device=eth0 direction=in agent=a @0 1']);
    expect(dropped).toEqual({ unknown_metric: 2, unknown_label: 1 });
  });

  test('label values cannot make two series one', () => {
    const bytes = (device: string, direction: string): void =>
      table.append({
        ...{ endpoint: 'a', labels: {}, timestampMs: clock.now() },
        samples: [{ name: 'bytes_total', labels: { device, direction }, value: 1 }],
      });
    bytes('x\0y', '');
    bytes('x', 'y');
    expect(pushed).toEqual(['__name__=bytes_total device=xy @0 1', '__name__=bytes_total device=x direction=y @0 1']);
  });

  test('an endpoint and the fleet have bounded numbers of series', () => {
    create({ maxSeries: 25 });
    const many = Array.from({ length: 1_000 }, (_, index) => ({
      ...{ name: 'bytes_total', labels: { device: `eth${index}` }, value: 1 },
    }));
    for (const endpoint of ['a', 'b', 'c', 'd'])
      table.append({ endpoint, labels: {}, timestampMs: clock.now(), samples: many });
    expect(table.size).toBe(25);
    expect(pushed).toHaveLength(25);
    expect(dropped).toEqual({ endpoint_series_limit: 990 * 2 + 0, series_limit: 995 + 1_000 });
    sweepFor(1_000_000);
    expect(table.size).toBe(0);
  });

  test('a series that is not sent any more ends once, a millisecond after its last value, and goes on after it', () => {
    up('a', 1, -10);
    sweepFor(50_000);
    expect(pushed).toHaveLength(1);
    sweepFor(200_000);
    expect(pushed.slice(1)).toEqual(['__name__=up agent=a @-60009 stale']);
    up('a', 2, -249_990 - 20);
    up('a', 3, -100_000);
    expect(pushed.slice(2)).toEqual(['__name__=up agent=a @-100000 3']);
    expect(dropped).toEqual({ out_of_order: 1 });
  });

  test('an endpoint that ends gets a marker for each series, one that is released none', () => {
    up('a');
    up('b');
    table.end('a');
    table.end('a');
    table.release('b');
    expect(pushed.slice(2)).toEqual(['__name__=up agent=a @1 stale']);
    expect(table.size).toBe(1);
    sweepFor(1_000_000);
    expect(pushed).toHaveLength(3);
    expect(table.size).toBe(0);
  });

  test('other labels are other series; labels that change ever again are held', () => {
    const labels = (host: string) => ({ agent: 'a', host });
    up('a', 1, 0, labels('one'));
    clock.advance(1_000);
    up('a', 2, 0, labels('two'));
    expect(pushed.splice(0)).toEqual(['__name__=up agent=a host=one @0 1', '__name__=up agent=a host=one @0 2']);
    clock.advance(300_000);
    up('a', 3, 0, labels('two'));
    expect(pushed.splice(0)).toEqual([
      '__name__=up agent=a host=one @-299999 stale',
      '__name__=up agent=a host=two @0 3',
    ]);
    expect(table.size).toBe(1);
  });

  test('labels are allowed, denied, renamed and added by name', () => {
    create(
      {},
      {
        allow: ['agent', 'host', 'env', 'os'],
        deny: ['os'],
        rename: { host: 'instance' },
        external: { cluster: 'eu' },
      },
    );
    up('a', 1, 0, { agent: 'a', host: 'h', env: '', os: 'linux', site: 'x', cluster: 'forged', instance: 'forged' });
    expect(pushed).toEqual(['__name__=up agent=a cluster=eu instance=h @0 1']);
  });

  test.each<[LabelPolicyOptions, RegExp]>([
    [{ allow: ['device'] }, /two labels would be called device/],
    [{ rename: { host: 'agent' } }, /two labels would be called agent/],
    [{ external: { host: 'x' } }, /two labels would be called host/],
    [{ external: { le: 'x' } }, /two labels would be called le/],
    [{ allow: ['bad name'] }, /bad name is not a label name/],
    [{ rename: { host: '__name__' } }, /__name__ is not a label name/],
  ])('a policy is refused where labels would collide: %j', (options, fault) => {
    expect(() => create({}, options)).toThrow(fault);
  });

  test.each([
    [[{ name: 'bad-name', type: 'gauge' as const }], /bad-name: not a name/],
    [[{ name: 'a', type: 'gauge' as const, labels: ['__x'] }], /not a label name, or twice: __x/],
    [[{ name: 'a', type: 'gauge' as const, labels: ['x', 'x'] }], /not a label name, or twice: x/],
    [
      [
        { name: 'a', type: 'gauge' as const },
        { name: 'a', type: 'gauge' as const },
      ],
      /a: defined twice/,
    ],
  ])('definitions are refused where Prometheus would refuse them: %j', (definitions, fault) => {
    expect(() => compileDefinitions(definitions)).toThrow(fault);
  });
});
