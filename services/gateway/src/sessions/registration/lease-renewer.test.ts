import { describe, expect, it } from '@jest/globals';
import { MemoryBroker } from '@muster/bus/memory';
import { decodeBusMessage, encodeBusMessage, SUBJECTS, type GatewayHeartbeat } from '@muster/messages';
import type { GenerationResult, LeaseRenewal, RenewResult } from '@muster/registry';
import { decodeNumberSet } from '@muster/records';
import { createMetrics, silentLogger, type Clock } from '@muster/runtime';
import { FakeClock } from '@muster/runtime/testing';
import { GatewayIdentity } from '../../foundation/gateway-identity.js';
import { GatewayInbox } from '../../foundation/gateway-inbox.js';
import { fakeSession } from '../../testing/fake-session.js';
import { Hub } from '../hub/hub.js';
import { LeaseRenewer } from './lease-renewer.js';

/** A registry that answers what a test wants; only leases are asked of it. */
class ScriptedRegistry {
  renewal: RenewResult = { kind: 'renewed' };
  /** Renewals wait for this. */
  gate: Promise<void> = Promise.resolve();
  generationResult: GenerationResult = { kind: 'generation', value: 'one' };
  readonly renewals: LeaseRenewal[] = [];
  readonly dropped: string[] = [];
  readonly lease = {
    renew: (lease: LeaseRenewal): Promise<RenewResult> => {
      this.renewals.push(lease);
      return this.gate.then(() => this.renewal);
    },
    lapsed: () => Promise.resolve({ kind: 'gateways' as const, gateways: [] }),
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

function setUp({ leaseMs = 15_000 } = {}) {
  const broker = new MemoryBroker();
  const { bus } = broker.connect();
  const registry = new ScriptedRegistry();
  const clock = new FreezableClock();
  const logger = silentLogger;
  const events: string[] = [];
  let owesResync = false;
  let canResync = true;
  const registrations = {
    requestResync: () => void (owesResync = true),
    resync: (): Promise<void> => {
      if (owesResync) events.push('resync');
      owesResync &&= !canResync;
      return Promise.resolve();
    },
  };
  const metrics = createMetrics('gateway');
  const counted = async (): Promise<string[]> => {
    const text = await metrics.registry.metrics();
    return [
      ...text.matchAll(/^muster_gateway_(?:lease_renewals|fences)_total(?:\{result="(\w+)"\})? ([1-9]\d*)$/gm),
    ].map(([, result = 'fenced', count]) => `${result} ${count}`);
  };
  const identity = new GatewayIdentity({ clock, logger, leaseMs });
  const inbox = new GatewayInbox({ bus, identity, logger });
  const hub = new Hub();
  for (const num of [1, 2, 3]) hub.add(fakeSession(num).session);
  const lease = new LeaseRenewer({
    ...{ bus, registry, identity, inbox, registrations, clock, logger },
    metrics,
    hub,
    draining: () => false,
  });
  identity.listen({ fenced: () => void events.push('fenced'), lapsed: () => void events.push('lapsed') });
  const start = async (): Promise<void> => {
    inbox.start();
    await lease.start();
  };
  const stop = async (): Promise<void> => {
    await lease.stop();
    inbox.stop();
  };
  const setCanResync = (can: boolean): void => void (canResync = can);
  return { broker, bus, registry, hub, clock, events, identity, start, stop, setCanResync, counted };
}

describe('LeaseRenewer', () => {
  it('renews its lease every five seconds and sends heartbeats', async () => {
    const { bus, registry, clock, identity, start, stop } = setUp();
    const heartbeats: GatewayHeartbeat[] = [];
    bus.subscribe(SUBJECTS.gatewayHeartbeats, ({ data }) => {
      const heartbeat = decodeBusMessage<GatewayHeartbeat>(data, 'gateway_beat');
      if (heartbeat !== undefined) heartbeats.push(heartbeat);
    });
    await start();
    await clock.inner.advanceAsync(15_000);
    expect(registry.renewals.map(({ gatewayId, ttlMs }) => [gatewayId, ttlMs])).toEqual(
      Array.from({ length: 4 }, () => [identity.id, 15_000]),
    );
    expect(heartbeats.length).toBeGreaterThanOrEqual(10);
    expect(heartbeats[0]).toMatchObject({ gateway: identity.id, sessions: 3, draining: false });
    await stop();
    expect(registry.dropped).toEqual([identity.id]);
    expect(clock.inner.pendingTimers).toBe(0);
  });

  it('sends heartbeats as often when its lease is long', async () => {
    const { bus, clock, start, stop } = setUp({ leaseMs: 600_000 });
    let heartbeats = 0;
    bus.subscribe(SUBJECTS.gatewayHeartbeats, () => void (heartbeats += 1));
    await start();
    await clock.inner.advanceAsync(15_000);
    expect(heartbeats).toBeGreaterThanOrEqual(10);
    await stop();
  });

  it('says in heartbeats whom it holds, soon after it changed, and all when somebody asks or the broker was away', async () => {
    const { broker, bus, hub, clock, identity, start, stop } = setUp();
    const said: [number | undefined, boolean | undefined, number[]][] = [];
    bus.subscribe(SUBJECTS.gatewayHeartbeats, ({ data }) => {
      const { beat, held } = decodeBusMessage<GatewayHeartbeat>(data, 'gateway_beat') ?? {};
      if (held !== undefined) said.push([beat, held.whole, decodeNumberSet(held.live)]);
    });
    await start();
    await clock.inner.advanceAsync(1_600);
    expect(said.splice(0)).toEqual([[0, true, [1, 2, 3]]]);
    hub.add(fakeSession(4).session);
    await clock.inner.advanceAsync(250);
    expect(said.splice(0)).toEqual([[2, false, [4]]]);
    bus.publish(SUBJECTS.gateway(identity.id), encodeBusMessage({ t: 'send_held' }));
    await clock.inner.advanceAsync(250);
    expect(said.splice(0)).toEqual([[3, true, [1, 2, 3, 4]]]);
    broker.interrupt();
    hub.add(fakeSession(5).session);
    await clock.inner.advanceAsync(4_000);
    broker.restore();
    await clock.inner.advanceAsync(250);
    expect(said).toEqual([[4, true, [1, 2, 3, 4, 5]]]);
    await stop();
  });

  it('does not renew while it cannot hear itself through the broker', async () => {
    const { broker, registry, clock, start, stop } = setUp();
    await start();
    broker.interrupt();
    await clock.inner.advanceAsync(20_000);
    expect(registry.renewals).toHaveLength(1);
    broker.restore();
    await clock.inner.advanceAsync(5_000);
    expect(registry.renewals.length).toBeGreaterThan(1);
    await stop();
  });

  it('counts each attempt by its result, and each fence', async () => {
    const { broker, registry, clock, identity, start, stop, counted } = setUp();
    await start();
    registry.renewal = { kind: 'unavailable', cause: new Error('redis is away') };
    await clock.inner.advanceAsync(5_000);
    registry.renewal = { kind: 'renewed' };
    broker.interrupt();
    await clock.inner.advanceAsync(5_000);
    broker.restore();
    expect(await counted()).toEqual(['renewed 1', 'unavailable 1', 'unheard 1']);
    clock.freeze(20_000);
    identity.checkLease();
    expect(await counted()).toEqual(expect.arrayContaining(['fenced 1']));
    await stop();
  });

  it('is fenced under a new id before anything else, after the process stood still past the lease', async () => {
    const { bus, clock, events, identity, start, stop } = setUp();
    await start();
    const former = identity.id;
    clock.freeze(10_000);
    identity.checkLease();
    expect([events, identity.id]).toEqual([[], former]);
    clock.freeze(16_000);
    identity.checkLease();
    expect(events).toEqual(['fenced']);
    expect(identity.id).not.toBe(former);
    const ping = encodeBusMessage({ t: 'ping' });
    expect(await bus.request(SUBJECTS.gateway(former), ping, { timeoutMs: 5_000 })).toEqual({ kind: 'no_responders' });
    expect(await bus.request(SUBJECTS.gateway(identity.id), ping, { timeoutMs: 5_000 })).toMatchObject({
      kind: 'reply',
    });
    await stop();
  });

  it('keeps its id and registers its sessions again, when the lease had lapsed and the process ran', async () => {
    const { registry, clock, events, identity, start, stop } = setUp();
    await start();
    const former = identity.id;
    registry.renewal = { kind: 'lapsed' };
    await clock.inner.advanceAsync(5_000);
    expect([events, identity.id]).toEqual([['lapsed', 'resync'], former]);
    await stop();
  });

  it('says goodbye when it stops, and does not wait for the registry with that', async () => {
    const { bus, identity, registry, start, stop } = setUp();
    const goodbyes: GatewayHeartbeat[] = [];
    bus.subscribe(SUBJECTS.gatewayHeartbeats, ({ data }) => {
      const heartbeat = decodeBusMessage<GatewayHeartbeat>(data, 'gateway_beat');
      if (heartbeat?.stopped === true) goodbyes.push(heartbeat);
    });
    await start();
    registry.lease.drop = () => new Promise(() => undefined);
    void stop();
    await new Promise(setImmediate);
    expect(goodbyes).toMatchObject([{ gateway: identity.id, stopped: true }]);
  });

  it('keeps its id and registers its sessions again, when the registry lost its data', async () => {
    const { registry, clock, events, identity, start, stop } = setUp();
    await start();
    const former = identity.id;
    registry.generationResult = { kind: 'generation', value: 'two' };
    await clock.inner.advanceAsync(5_000);
    expect([events, identity.id]).toEqual([['resync'], former]);
    await stop();
  });

  it('keeps serving while the registry is away, and registers its sessions again until that succeeds', async () => {
    const { registry, clock, events, start, stop, setCanResync } = setUp();
    await start();
    registry.renewal = { kind: 'unavailable', cause: new Error('down') };
    await clock.inner.advanceAsync(60_000);
    expect(events).toEqual([]);
    registry.renewal = { kind: 'renewed' };
    setCanResync(false);
    await clock.inner.advanceAsync(5_000);
    setCanResync(true);
    await clock.inner.advanceAsync(10_000);
    expect(events).toEqual(['resync', 'resync']);
    await stop();
  });

  it('says what the gateway is doing, and answers pings at its id', async () => {
    const { bus, registry, clock, identity, start, stop } = setUp();
    const startedAtMs = clock.now();
    await start();
    expect(registry.renewals[0]?.info).toEqual({ sessions: 3, draining: false, startedAtMs });
    const ping = await bus.request(SUBJECTS.gateway(identity.id), encodeBusMessage({ t: 'ping' }), {
      timeoutMs: 5_000,
    });
    expect(ping.kind === 'reply' && decodeBusMessage(ping.data, 'ok')).toEqual({ t: 'ok' });
    await stop();
  });

  it('renews one at a time, and goes on after a renewal that failed', async () => {
    const { registry, clock, start, stop } = setUp();
    await start();
    let release: () => void = () => undefined;
    registry.gate = new Promise((resolve) => (release = resolve));
    await clock.inner.advanceAsync(20_000);
    expect(registry.renewals).toHaveLength(2);
    registry.gate = Promise.reject(new Error('broken'));
    registry.gate.catch(() => undefined);
    release();
    await clock.inner.advanceAsync(5_000);
    registry.gate = Promise.resolve();
    await clock.inner.advanceAsync(5_000);
    expect(registry.renewals).toHaveLength(4);
    await stop();
  });

  it('renews under its new id as soon as it was fenced', async () => {
    const { registry, clock, identity, start, stop } = setUp();
    await start();
    clock.freeze(16_000);
    identity.checkLease();
    await clock.inner.advanceAsync(0);
    expect(registry.renewals.at(-1)?.gatewayId).toBe(identity.id);
    expect(registry.renewals).toHaveLength(2);
    await stop();
  });

  it('remembers that its lease had lapsed when the registry goes away at once after saying so', async () => {
    const { registry, clock, events, start, stop } = setUp();
    await start();
    registry.renewal = { kind: 'lapsed' };
    registry.generationResult = { kind: 'unavailable', cause: new Error('down') };
    await clock.inner.advanceAsync(5_000);
    expect(events).toEqual(['lapsed']);
    registry.renewal = { kind: 'renewed' };
    registry.generationResult = { kind: 'generation', value: 'one' };
    await clock.inner.advanceAsync(5_000);
    expect(events).toEqual(['lapsed', 'resync']);
    await stop();
  });
});
