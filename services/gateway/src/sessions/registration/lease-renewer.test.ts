import { describe, expect, it } from '@jest/globals';
import type { Bus } from '@muster/bus';
import { MemoryBroker } from '@muster/bus/memory';
import {
  decodeBusMessage,
  encodeBusMessage,
  SUBJECTS,
  type GatewayHeartbeat,
  type GatewayReply,
} from '@muster/messages';
import type { GatewayId } from '@muster/protocol';
import type { GenerationResult, LeaseRenewal, Registry, RenewResult } from '@muster/registry';
import { silentLogger, type Clock } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { LeaseRenewer } from './lease-renewer.js';

/** A registry that answers what a test wants; only leases are asked of it. */
class ScriptedRegistry {
  renewal: RenewResult = { kind: 'renewed' };
  generationResult: GenerationResult = { kind: 'generation', value: 'one' };
  readonly renewals: LeaseRenewal[] = [];
  readonly dropped: string[] = [];
  readonly lease = {
    renew: (lease: LeaseRenewal): Promise<RenewResult> => {
      this.renewals.push(lease);
      return Promise.resolve(this.renewal);
    },
    drop: (gatewayId: string) => {
      this.dropped.push(gatewayId);
      return Promise.resolve({ kind: 'dropped' as const });
    },
  };
  generation(): Promise<GenerationResult> {
    return Promise.resolve(this.generationResult);
  }
}

/** A clock whose process can stand still: time passes and no timer fires. */
class FreezableClock implements Clock {
  readonly inner = new FakeClock();
  #frozenMs = 0;
  now = (): number => this.inner.now() + this.#frozenMs;
  monotonic = (): number => this.inner.monotonic() + this.#frozenMs;
  setTimeout = this.inner.setTimeout.bind(this.inner);
  setInterval = this.inner.setInterval.bind(this.inner);
  clear = this.inner.clear.bind(this.inner);
  freeze(ms: number): void {
    this.#frozenMs += ms;
  }
}

function setUp() {
  const broker = new MemoryBroker();
  const { bus } = broker.connect();
  const registry = new ScriptedRegistry();
  const clock = new FreezableClock();
  const events: string[] = [];
  let canReassert = true;
  const lease = new LeaseRenewer({
    bus,
    registry: registry as unknown as Registry,
    clock,
    logger: silentLogger,
    sessions: () => 3,
    draining: () => false,
    listener: {
      fenced: () => void events.push('fenced'),
      renamed: () => void events.push('renamed'),
      reassert: () => {
        events.push('reassert');
        return Promise.resolve(canReassert);
      },
      request: (): GatewayReply => ({ t: 'ok' }),
    },
  });
  return { broker, bus, registry, clock, events, lease, setCanReassert: (can: boolean) => void (canReassert = can) };
}

async function polled(bus: Bus, id: GatewayId): Promise<string> {
  const poll = encodeBusMessage({ t: 'poll', session: 's', have: 0 });
  return (await bus.request(SUBJECTS.gatewayPolls(id), poll, { timeoutMs: 100 })).kind;
}

describe('LeaseKeeper', () => {
  it('renews its lease every five seconds and tells everybody that it lives', async () => {
    const { bus, registry, clock, lease } = setUp();
    const beats: GatewayHeartbeat[] = [];
    bus.subscribe(SUBJECTS.gatewayHeartbeats, ({ data }) => {
      const beat = decodeBusMessage<GatewayHeartbeat>(data, 'gateway_beat');
      if (beat !== undefined) beats.push(beat);
    });
    await lease.start();
    await clock.inner.advanceAsync(15_000);
    expect(registry.renewals.map(({ gatewayId, ttlMs }) => [gatewayId, ttlMs])).toEqual(
      Array.from({ length: 4 }, () => [lease.id, 15_000]),
    );
    expect(beats.length).toBeGreaterThanOrEqual(10);
    expect(beats[0]).toMatchObject({ gateway: lease.id, sessions: 3, draining: false });
    await lease.stop();
    expect(registry.dropped).toEqual([lease.id]);
    expect(clock.inner.pendingTimers).toBe(0);
  });

  it('does not renew while it cannot hear itself through the broker', async () => {
    const { broker, registry, clock, lease } = setUp();
    await lease.start();
    broker.interrupt();
    await clock.inner.advanceAsync(20_000);
    expect(registry.renewals).toHaveLength(1);
    broker.restore();
    await clock.inner.advanceAsync(5_000);
    expect(registry.renewals.length).toBeGreaterThan(1);
    await lease.stop();
  });

  it('is fenced under a new id before anything else, after the process stood still past the lease', async () => {
    const { bus, clock, events, lease } = setUp();
    await lease.start();
    const former = lease.id;
    clock.freeze(10_000);
    lease.check();
    expect([events, lease.id]).toEqual([[], former]);
    clock.freeze(16_000);
    lease.check();
    expect(events).toEqual(['fenced']);
    expect(lease.id).not.toBe(former);
    const ping = encodeBusMessage({ t: 'ping' });
    expect(await bus.request(SUBJECTS.gateway(former), ping, { timeoutMs: 100 })).toEqual({ kind: 'no_responders' });
    expect(await bus.request(SUBJECTS.gateway(lease.id), ping, { timeoutMs: 100 })).toMatchObject({ kind: 'reply' });
    expect(await polled(bus, former)).toBe('no_responders');
    await lease.stop();
  });

  it('goes on under a new id and says again what it holds, when others stopped believing it', async () => {
    const { bus, registry, clock, events, lease } = setUp();
    await lease.start();
    const former = lease.id;
    registry.renewal = { kind: 'lapsed' };
    await clock.inner.advanceAsync(5_000);
    expect(events).toEqual(['renamed', 'reassert']);
    expect(lease.id).not.toBe(former);
    const ping = encodeBusMessage({ t: 'ping' });
    expect(await bus.request(SUBJECTS.gateway(former), ping, { timeoutMs: 100 })).toEqual({ kind: 'no_responders' });
    // Sessions that were opened under the former id go on, and other gateways find them there.
    expect([await polled(bus, former), await polled(bus, lease.id)]).toEqual(['reply', 'reply']);
    await lease.stop();
    expect(await polled(bus, former)).toBe('no_responders');
  });

  it('keeps its id and says again what it holds, when the registry lost its data', async () => {
    const { registry, clock, events, lease } = setUp();
    await lease.start();
    const former = lease.id;
    registry.renewal = { kind: 'lapsed' };
    registry.generationResult = { kind: 'generation', value: 'two' };
    await clock.inner.advanceAsync(5_000);
    expect([events, lease.id]).toEqual([['reassert'], former]);
    await lease.stop();
  });

  it('keeps serving while the registry is away, and says again what it holds until it was heard', async () => {
    const { registry, clock, events, lease, setCanReassert } = setUp();
    await lease.start();
    registry.renewal = { kind: 'unavailable', cause: new Error('down') };
    await clock.inner.advanceAsync(60_000);
    expect(events).toEqual([]);
    registry.renewal = { kind: 'renewed' };
    setCanReassert(false);
    await clock.inner.advanceAsync(5_000);
    setCanReassert(true);
    await clock.inner.advanceAsync(10_000);
    expect(events).toEqual(['reassert', 'reassert']);
    await lease.stop();
  });
});
