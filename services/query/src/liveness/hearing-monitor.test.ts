import { expect, test } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import { FakeClock } from '@muster/runtime/testing';
import { HearingMonitor } from './hearing-monitor.js';

function setUp() {
  const broker = new MemoryBroker();
  const clock = new FakeClock();
  const monitor = new HearingMonitor({ bus: broker.connect().bus, clock });
  let begun = 0;
  monitor.listen(() => void (begun += 1));
  const hears = (ms: number): void => {
    for (let at = 0; at < ms; at += 1_000) {
      clock.advance(1_000);
      monitor.heard();
    }
  };
  return { broker, clock, monitor, hears, begun: () => begun };
}

test('hears nothing before its first own heartbeat has come back', () => {
  const { clock, monitor, begun } = setUp();
  clock.advance(10_000);
  expect([monitor.forMs, begun()]).toEqual([undefined, 0]);
  monitor.heard();
  expect([monitor.forMs, begun()]).toEqual([0, 1]);
});

test('a heartbeat that is late is no gap; one that stays out, or a process that stood still, is', () => {
  const { clock, monitor, hears, begun } = setUp();
  hears(5_000);
  clock.advance(2_500);
  expect(monitor.forMs).toBe(6_500);
  monitor.heard();
  expect([monitor.forMs, begun()]).toEqual([6_500, 1]);
  clock.advance(20_000);
  expect(monitor.forMs).toBeUndefined();
  monitor.heard();
  expect([monitor.forMs, begun()]).toEqual([0, 2]);
});

test('begins again after the connection was lost, however short', () => {
  const { broker, monitor, hears } = setUp();
  hears(5_000);
  broker.interrupt();
  expect(monitor.forMs).toBeUndefined();
  broker.restore();
  expect(monitor.forMs).toBeUndefined();
  monitor.heard();
  expect(monitor.forMs).toBe(0);
  monitor.stop();
  hears(1_000);
  broker.interrupt();
  expect(monitor.forMs).toBe(1_000);
});
