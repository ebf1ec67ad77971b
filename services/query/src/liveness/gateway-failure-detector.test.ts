import { expect, test } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import { silentLogger } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { GatewayFailureDetector, type GatewayFailureDetectorOptions } from './gateway-failure-detector.js';

type Registry = GatewayFailureDetectorOptions['registry'];

test.each(['gateways', 'lapsed'] as const)(
  'leases are read again after the registry has thrown (%s)',
  async (which) => {
    const clock = new FakeClock();
    let fails = true;
    const answer = (name: string): ReturnType<Registry['gateways']> =>
      fails && name === which
        ? Promise.reject(new Error('broken'))
        : Promise.resolve({ kind: 'gateways', gateways: [] });
    const warnings: string[] = [];
    const detector = new GatewayFailureDetector({
      ...{ bus: new MemoryBroker().connect().bus, clock },
      registry: { gateways: () => answer('gateways'), lease: { lapsed: () => answer('lapsed') } } as Registry,
      hearing: { forMs: 1, listen: () => () => undefined } as unknown as GatewayFailureDetectorOptions['hearing'],
      held: { heard: () => undefined, forget: () => undefined } as GatewayFailureDetectorOptions['held'],
      logger: { ...silentLogger, warn: (message) => void warnings.push(message) },
      onDead: () => undefined,
      onReturned: () => undefined,
    });
    detector.start();
    await clock.advanceAsync(1_500);
    expect([detector.known().isComplete, warnings.length]).toEqual([false, 1]);
    fails = false;
    await clock.advanceAsync(1_000);
    expect(detector.known().isComplete).toBe(true);
    detector.stop();
  },
);
