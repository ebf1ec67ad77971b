import { expect, test } from '@jest/globals';
import type { Endpoint } from '@muster/directory';
import { absentValues, encodeKeyframe, makeShape } from '@muster/host-metrics';
import type { SampleItem } from '@muster/messages';
import { FRAME, LIMITS } from '@muster/protocol';
import { FakeClock } from '@muster/runtime/testing';
import fc from 'fast-check';
import { FleetHistograms } from '../fleet/fleet-histograms.js';
import { FakeEndpoint, ORG } from '../testing/fake-endpoint.js';
import { EndpointTable } from './endpoint-table.js';
import { SampleProcessor } from './sample-processor.js';
import { VITALS, type Vital } from './vitals.js';

function start(count = 1, maxEndpoints = 100, maxBytes = Number.POSITIVE_INFINITY) {
  const clock = new FakeClock();
  const endpoints = Array.from({ length: count }, (_, i) => new FakeEndpoint(i + 1));
  const directory = new Map<number, Endpoint>(endpoints.map((one) => [one.num, one.endpoint()]));
  const table = new EndpointTable({ maxBytes });
  const fleet = new FleetHistograms({ table, labels: [], endpointOf: (num) => directory.get(num) });
  const faults: string[] = [];
  const wanted: string[] = [];
  const processor = new SampleProcessor({
    ...{
      clock,
      table,
      maxEndpoints,
      observer: {
        begin: (slot) => fleet.begin(slot),
        join: (slot) => fleet.join(slot),
        leave: (slot) => fleet.leave(slot),
      },
      directory: { byNum: (num: number) => directory.get(num) },
    },
    onValueFault: (fault) => faults.push(fault),
    onNoKeyframe: (agentId) => wanted.push(agentId),
  });
  const process = (endpoint: FakeEndpoint, item: SampleItem) => processor.process(item, endpoint.partition);
  const vital = (endpoint: FakeEndpoint, name: Vital) =>
    table.vital(table.slotOf(endpoint.num) ?? Number.NaN, VITALS.indexOf(name));
  return {
    clock,
    endpoints,
    endpoint: endpoints[0]!,
    directory,
    table,
    fleet,
    faults,
    wanted,
    processor,
    process,
    vital,
  };
}

test('what a gateway sends again to a new owner is as old as it is; clocks that differ make nothing else old', () => {
  const { clock, endpoint, process, table } = start();
  const age = () => clock.monotonic() - (table.takenMs[table.slotOf(endpoint.num) ?? Number.NaN] as number);
  const nowMs = clock.now();
  const keyframe = endpoint.sample({ cpu: 0.1 }, nowMs - 60_000, 'keyframe', nowMs - 60_000);
  const delta = endpoint.sample({ cpu: 0.2 }, nowMs - 40_000, 'delta', nowMs - 40_000);
  process(endpoint, keyframe);
  expect(age()).toBe(60_000);
  expect(process(endpoint, delta)).toBe('delta');
  expect(age()).toBe(40_000);
  // From here on its gateway's clock is 30 s behind.
  process(endpoint, endpoint.sample({ cpu: 0.3 }, nowMs, 'delta', nowMs - 30_000 + 20_000));
  clock.advance(20_000);
  process(endpoint, endpoint.sample({ cpu: 0.4 }, nowMs, 'delta', nowMs - 10_000));
  expect(age()).toBe(0);
});

test('a delta changes what the keyframe said, also when deltas between were lost, and rates are made of both', () => {
  const { endpoint, process, vital, faults } = start();
  const first = { cpu: 0.1, memory: 0.5, disk: 0.6, load: 0.5, diskBytes: 0, networkBytes: 1_000 };
  expect(process(endpoint, endpoint.sample(first, 100_000, 'keyframe', 100_020))).toBe('keyframe');
  expect(vital(endpoint, 'network')).toBeNaN();
  endpoint.sample({}, 110_000, 'delta');
  const later = { cpu: 0.9, memory: 0.75, disk: 0.8, load: 2, diskBytes: 51_200, networkBytes: 21_000 };
  expect(process(endpoint, endpoint.sample(later, 120_000, 'delta', 120_020))).toBe('delta');
  const seen = VITALS.map((name) => [name, vital(endpoint, name)] as const);
  const expected = {
    cpu: 0.9,
    memory: 0.75,
    disk: 0.8,
    load: 2,
    disk_io: 2_560,
    network: 1_000,
    clock: -0.02,
    agent: 0,
  };
  for (const [name, value] of seen) expect([name, value]).toEqual([name, expect.closeTo(expected[name], 5)]);
  expect(faults).toEqual([]);
});

test('what an older session sent is dropped, and a newer one begins with its own keyframe', () => {
  const { endpoint, process, wanted, vital } = start();
  const old = endpoint.sample({ cpu: 0.1 }, 1_000, 'keyframe');
  const oldDelta = endpoint.sample({ cpu: 0.2 }, 2_000, 'delta');
  endpoint.reconnects();
  const newer = endpoint.sample({ cpu: 0.3 }, 3_000, 'keyframe');
  const newDelta = endpoint.sample({ cpu: 0.4 }, 4_000, 'delta');
  expect(process(endpoint, old)).toBe('keyframe');
  expect([process(endpoint, newDelta), wanted]).toEqual(['no_keyframe', [endpoint.agentId]]);
  expect(process(endpoint, newer)).toBe('keyframe');
  expect([process(endpoint, oldDelta), process(endpoint, old)]).toEqual(['stale_session', 'stale_session']);
  expect(vital(endpoint, 'cpu')).toBeCloseTo(0.3);
});

test('how often samples come is what the gateway says, also with a frame that comes again', () => {
  const { endpoint, process, table } = start();
  const first = endpoint.sample({}, 1_000, 'keyframe');
  const every = (everyMs: number): SampleItem => [...(first.slice(0, 7) as unknown as SampleItem), everyMs] as never;
  const known = () => table.everyMs[table.slotOf(endpoint.num) ?? Number.NaN];
  expect([process(endpoint, every(60_000)), known()]).toEqual(['keyframe', 60_000]);
  expect([process(endpoint, every(600_000)), known()]).toEqual(['repeated', 600_000]);
  expect([process(endpoint, every(-1)), process(endpoint, every('x' as never)), known()]).toEqual([
    'malformed',
    'malformed',
    600_000,
  ]);
});

test('a frame that comes again or late is dropped, and one without its keyframe asks for that', () => {
  const { endpoint, process, wanted, table } = start();
  const first = endpoint.sample({}, 1_000, 'keyframe');
  const delta = endpoint.sample({ cpu: 0.5 }, 2_000, 'delta');
  const second = endpoint.sample({}, 3_000, 'keyframe');
  const ofSecond = endpoint.sample({ cpu: 0.6 }, 4_000, 'delta');
  expect(process(endpoint, delta)).toBe('no_keyframe');
  expect([process(endpoint, first), process(endpoint, first)]).toEqual(['keyframe', 'repeated']);
  expect([process(endpoint, delta), process(endpoint, delta), process(endpoint, first)]).toEqual([
    'delta',
    'repeated',
    'repeated',
  ]);
  expect([process(endpoint, ofSecond), wanted.length]).toEqual(['no_keyframe', 2]);
  expect([process(endpoint, second), process(endpoint, ofSecond), table.size]).toEqual(['keyframe', 'delta', 1]);
});

test('who is not enrolled, revoked, of another partition or too many is refused', () => {
  const { endpoints, directory, processor, process } = start(4, 2);
  const [one, two, three, four] = endpoints as [FakeEndpoint, FakeEndpoint, FakeEndpoint, FakeEndpoint];
  const item = one.sample({}, 1_000, 'keyframe');
  expect(processor.process(item, (one.partition + 1) % 32)).toBe('wrong_partition');
  directory.delete(two.num);
  expect(process(two, two.sample({}, 1_000, 'keyframe'))).toBe('unknown_endpoint');
  directory.set(two.num, { ...two.endpoint(), revoked: { atMs: 0, by: 'x', reason: '' } as never });
  expect(process(two, two.sample({}, 1_000, 'keyframe'))).toBe('unknown_endpoint');
  // The number of another identity.
  expect(processor.process([item[0], item[1], four.num, 1, item[4], 1, item[6]], one.partition)).toBe(
    'unknown_endpoint',
  );
  expect(process(one, item)).toBe('keyframe');
  expect(process(three, three.sample({}, 1_000, 'keyframe'))).toBe('keyframe');
  expect(process(four, four.sample({}, 1_000, 'keyframe'))).toBe('too_many_endpoints');
  expect(process(one, one.sample({}, 2_000, 'delta'))).toBe('delta');
});

test('values that cannot be are left out and counted: shares above 1, counters that go back, clocks that jump', () => {
  const { endpoint, process, vital, faults } = start();
  process(endpoint, endpoint.sample({ networkBytes: 5_000 }, 100_000, 'keyframe'));
  process(endpoint, endpoint.sample({ cpu: 1.5, networkBytes: 100 }, 160_000, 'delta'));
  expect([vital(endpoint, 'cpu'), vital(endpoint, 'network')]).toEqual([Number.NaN, Number.NaN]);
  expect(faults).toEqual(['out_of_range', 'counter_back']);
  process(endpoint, endpoint.sample({ networkBytes: 200 }, 100_000, 'delta', 220_000));
  expect(vital(endpoint, 'network')).toBeNaN();
  expect(vital(endpoint, 'clock')).toBe(-120);
  process(endpoint, endpoint.sample({ networkBytes: 1_200, memory: -1 }, 160_000, 'delta', 280_000));
  expect(vital(endpoint, 'network')).toBeCloseTo(1_000 / 60);
  expect(faults).toEqual(['out_of_range', 'counter_back', 'clock_jump', 'out_of_range']);
  expect(vital(endpoint, 'memory')).toBeNaN();
});

test('readings that one poll brings have rates, a clock and an age of their own, however long they waited', () => {
  const { clock, endpoint, process, vital, faults, table } = start();
  const slot = () => table.slotOf(endpoint.num) ?? Number.NaN;
  let atMs = clock.now();
  const poll = (ages: readonly number[]): void => {
    clock.advance(60_000);
    for (const ageMs of ages) {
      atMs = clock.now() - ageMs;
      // Its clock is two seconds ahead.
      const networkBytes = atMs - 1_600_000_000_000;
      const kind = endpoint.seq === 0 ? 'keyframe' : 'delta';
      const item = endpoint.sample({ networkBytes }, atMs + 2_000, kind, atMs);
      process(endpoint, [...(item.slice(0, 7) as unknown as [...SampleItem]), 60_000, ageMs] as never);
      if (endpoint.seq > 1) expect(vital(endpoint, 'network')).toBeCloseTo(1_000);
      expect(vital(endpoint, 'clock')).toBeCloseTo(2);
      expect(clock.monotonic() - (table.takenMs[slot()] as number)).toBe(ageMs);
    }
  };
  poll([45_000, 35_000, 25_000, 15_000, 5_000]);
  poll([55_000, 45_000, 35_000, 25_000, 15_000, 5_000]);
  expect(faults).toEqual([]);
});

test('a sample that was late on its way has rates by the uptime of its host, which tells a clock that jumped as well', () => {
  const { endpoint, process, vital, faults } = start();
  const send = (networkBytes: number, seconds: number, clockSeconds: number, lateSeconds: number): number => {
    const measured = { networkBytes, uptimeSeconds: 1_000 + seconds };
    const kind = endpoint.seq === 0 ? 'keyframe' : 'delta';
    process(endpoint, endpoint.sample(measured, 1_000 * clockSeconds, kind, 1_000 * (100 + seconds + lateSeconds)));
    return vital(endpoint, 'network');
  };
  send(0, 0, 100, 0);
  expect(send(600, 60, 160, 40)).toBeCloseTo(10);
  expect(send(1_200, 120, 220, 0)).toBeCloseTo(10);
  expect(faults).toEqual([]);
  expect(send(1_800, 180, 4_000, 30)).toBeNaN();
  expect(faults).toEqual(['clock_jump']);
});

test('a fleet that sends the longest keyframes fills no more memory than there may be, and is not silent', () => {
  const MIB = 1_024 * 1_024;
  const { endpoints, process, table, clock, wanted } = start(200, 1_000, 2 * MIB);
  const long = (one: FakeEndpoint, seq: number): SampleItem => {
    const interfaces = Array.from({ length: 32 }, (_, i) => `eth${i}`.padEnd(120, 'x'));
    const disks = Array.from({ length: 32 }, (_, i) => `sd${i}`.padEnd(120, 'x'));
    const shape = makeShape({ interface: interfaces, disk: disks, filesystem: disks });
    const body = encodeKeyframe({ seq, atMs: 1_000 * seq, shape, values: absentValues(shape).fill(2 ** 40) });
    return [ORG, one.agentId, one.num, one.epoch, FRAME.keyframe, 1_000 * seq, body];
  };
  const results = endpoints.map((one) => process(one, long(one, 1)));
  const kept = results.filter((result) => result === 'keyframe').length;
  expect(new Set(results)).toEqual(new Set(['keyframe', 'no_room']));
  expect([kept > 20, table.size === kept, table.bytes <= 2 * MIB]).toEqual([true, true, true]);
  // Who has room goes on, whatever else is sent.
  clock.advance(60_000);
  const again = endpoints.map((one) => process(one, long(one, 2)));
  expect(again).toEqual(results);
  const [first] = endpoints as [FakeEndpoint];
  expect(table.seqs[table.slotOf(first.num) ?? Number.NaN]).toBe(2);
  // One whose next session has no room sends all the same: it is not silent.
  first.reconnects();
  clock.advance(60_000);
  const slot = table.slotOf(first.num) ?? Number.NaN;
  table.setKeyframe(slot, table.keyframe(slot).slice(0, 5_000));
  for (let num = 1_000; table.fitsKeyframe(undefined, 5_000); num += 1)
    table.setKeyframe(table.add(num, 0), new Uint8Array(5_000));
  expect(process(first, long(first, 3))).toBe('no_room');
  expect(table.heardMs[slot]).toBe(clock.monotonic());
  // A keyframe that was lost is asked for: it may take the room of the last.
  first.sample({}, 1_000, 'keyframe');
  expect([process(first, first.sample({}, 2_000, 'delta')), wanted.splice(0)]).toEqual([
    'no_keyframe',
    [first.agentId],
  ]);
  // One that has none is not asked for it again and again.
  const last = endpoints.at(-1) as FakeEndpoint;
  last.sample({}, 1_000, 'keyframe');
  expect([process(last, last.sample({}, 2_000, 'delta')), wanted]).toEqual(['no_room', []]);
  expect(table.bytes).toBeLessThanOrEqual(2 * MIB);
});

test('where there was no room once, keyframes are asked for again as soon as there is', () => {
  const { endpoints, process, table, wanted } = start(2, 1_000, 512 * 1_024);
  const [first, last] = endpoints as [FakeEndpoint, FakeEndpoint];
  expect(process(first, first.sample({}, 1_000, 'keyframe'))).toBe('keyframe');
  const bytes = table.keyframe(table.slotOf(first.num) as number).length;
  const others: number[] = [];
  while (table.fitsKeyframe(undefined, bytes)) {
    others.push(table.add(1_000 + others.length, 0));
    table.setKeyframe(others.at(-1) as number, new Uint8Array(bytes));
  }
  last.sample({}, 1_000, 'keyframe');
  expect([process(last, last.sample({}, 2_000, 'delta')), wanted]).toEqual(['no_room', []]);
  // So little room that nothing of the greatest length has it.
  table.remove(others.pop() as number);
  expect(table.fitsKeyframe(undefined, LIMITS.sampleBytes)).toBe(false);
  expect([process(last, last.sample({}, 3_000, 'delta')), wanted]).toEqual(['no_keyframe', [last.agentId]]);
});

test('no frame makes it throw, and after any of them the fleet counts each endpoint once', () => {
  const { endpoint, processor, process, fleet, table } = start();
  const junk = fc.uint8Array({ maxLength: 40 });
  const frame = fc.record({
    like: fc.constantFrom('keyframe' as const, 'delta' as const),
    at: fc.nat(),
    byte: fc.nat(255),
    cut: fc.nat(3),
    junk: fc.option(junk),
    epoch: fc.constantFrom(0, 1, 2, Number.NaN, -1, 2 ** 60),
  });
  fc.assert(
    fc.property(frame, ({ like, at, byte, cut, junk: other, epoch }) => {
      const item = endpoint.sample({}, 1_000 * endpoint.seq, like);
      const body = other ?? item[6].slice(0, item[6].length - cut);
      if (body.length > 0) body[at % body.length] = byte;
      expect(
        typeof processor.process([item[0], item[1], item[2], epoch, item[4], item[5], body], endpoint.partition),
      ).toBe('string');
      const counted = [...fleet.groups()].reduce((sum, group) => sum + group.endpoints, 0);
      expect(counted).toBe(table.size);
      for (const { vitals } of fleet.groups()) {
        for (const { buckets, count } of Object.values(vitals)) {
          expect(buckets.reduce((sum, each) => sum + each, 0)).toBe(count);
          expect(count).toBeLessThanOrEqual(1);
        }
      }
    }),
  );
  for (const bad of [null, 7, [], ['acme'], [1, 2, 3, 4, 5, 6, 7], {}]) {
    expect(processor.process(bad as never, 0)).toBe('malformed');
  }
  process(endpoint, endpoint.sample({}, 1, 'keyframe'));
});
