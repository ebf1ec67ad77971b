import type { Bus } from '@muster/bus';
import { encodeBusMessage, SUBJECTS, type GatewayHeartbeat } from '@muster/messages';
import type { Registry } from '@muster/registry';
import type { Clock, Logger, Metrics, Timer } from '@muster/runtime';
import type { GatewayIdentity } from '../../foundation/gateway-identity.js';
import type { GatewayInbox } from '../../foundation/gateway-inbox.js';
import type { Hub } from '../hub/hub.js';
import { HeldAnnouncer, type HeldAnnouncerOptions } from './held-announcer.js';
import { createLeaseMetrics, type LeaseMetrics } from './lease-metrics.js';
import type { RegistrationQueue } from './registration-queue.js';

export interface LeaseRenewerOptions {
  readonly bus: Bus;
  readonly registry: Pick<Registry, 'lease' | 'generation'>;
  readonly identity: GatewayIdentity;
  readonly inbox: GatewayInbox;
  readonly hub: Pick<Hub, 'size'> & HeldAnnouncerOptions['hub'];
  readonly registrations: Pick<RegistrationQueue, 'requestResync' | 'resync'>;
  readonly draining: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const PING_MS = 2_000;
/** Query services take a gateway for dead after 15 s without any of its heartbeats, however long its lease is. */
const LONGEST_HEARTBEAT_MS = 1_500;
/** Sessions that began or ended are told of so soon: what is not told yet is lost with this process. */
const CHANGES_MS = 250;

/**
 * Keeps this gateway believed: sends its heartbeat and renews its lease. It renews only after it heard its own ping through the broker: a
 * gateway that cannot be reached must not look alive.
 */
export class LeaseRenewer {
  readonly #options: LeaseRenewerOptions;
  readonly #metrics: LeaseMetrics;
  readonly #startedAtMs: number;
  #generation: string | undefined;
  #isRenewing = false;
  #renewTimer: Timer | undefined;
  #heartbeatTimer: Timer | undefined;
  #changesTimer: Timer | undefined;
  readonly #announcer: HeldAnnouncer;

  constructor(options: LeaseRenewerOptions) {
    this.#options = options;
    this.#metrics = createLeaseMetrics(options.metrics);
    this.#startedAtMs = options.clock.now();
    this.#announcer = new HeldAnnouncer(options);
    options.inbox.on('ping', () => ({ t: 'ok' }));
    options.inbox.on('send_held', () => {
      this.#announcer.requestAll();
      return { t: 'ok' };
    });
    options.identity.listen({
      fenced: () => {
        this.#metrics.fences.inc();
        void this.#renew();
      },
    });
  }

  async start(): Promise<void> {
    const { clock, identity } = this.#options;
    const heartbeatMs = Math.min(identity.leaseMs / 10, LONGEST_HEARTBEAT_MS);
    this.#heartbeatTimer = clock.setInterval(() => this.#sendHeartbeat(), heartbeatMs);
    this.#changesTimer = clock.setInterval(() => this.#sendChanges(), CHANGES_MS);
    this.#renewTimer = clock.setInterval(() => void this.#renew(), identity.leaseMs / 3);
    this.#sendHeartbeat();
    await this.#renew();
  }

  async stop(): Promise<void> {
    const { clock, registry, identity } = this.#options;
    clock.clear(this.#heartbeatTimer);
    clock.clear(this.#changesTimer);
    clock.clear(this.#renewTimer);
    // First, because the registry may keep it waiting.
    this.#sendHeartbeat({ stopped: true });
    await registry.lease.drop(identity.id);
  }

  /** `stopped`: nothing more comes from this gateway, and nobody has to wait for it. */
  #sendHeartbeat(goodbye: Pick<GatewayHeartbeat, 'stopped'> = {}): void {
    const { bus, clock, identity, hub, draining } = this.#options;
    identity.tick();
    if (!bus.connected) {
      this.#announcer.requestAll();
      return;
    }
    const heartbeat = {
      t: 'gateway_beat',
      gateway: identity.id,
      sessions: hub.size,
      draining: draining(),
      nowMs: clock.now(),
      ...this.#announcer.next(identity.id),
      ...goodbye,
    } as const;
    const result = bus.publish(SUBJECTS.gatewayHeartbeats, encodeBusMessage(heartbeat));
    if (result === 'dropped') this.#announcer.requestAll();
  }

  #sendChanges(): void {
    if (this.#options.bus.connected && this.#announcer.isDue) this.#sendHeartbeat();
  }

  async #renew(): Promise<void> {
    if (this.#isRenewing) return;
    this.#isRenewing = true;
    try {
      await this.#renewOnce();
    } catch (error) {
      this.#options.logger.error('renewing the lease failed', { err: error });
    } finally {
      this.#isRenewing = false;
    }
  }

  async #renewOnce(): Promise<void> {
    const { bus, registry, identity, hub, registrations, draining, logger } = this.#options;
    const message = encodeBusMessage({ t: 'ping' });
    const ping = await bus.request(SUBJECTS.gateway(identity.id), message, { timeoutMs: PING_MS });
    if (ping.kind !== 'reply') {
      this.#metrics.renewals.inc({ result: 'unheard' });
      logger.warn('lease not renewed, own ping was not heard', { kind: ping.kind });
      return;
    }
    const info = { sessions: hub.size, draining: draining(), startedAtMs: this.#startedAtMs };
    const renewed = await registry.lease.renew({ gatewayId: identity.id, ttlMs: identity.leaseMs, info });
    this.#metrics.renewals.inc({ result: renewed.kind });
    if (renewed.kind !== 'renewed') registrations.requestResync();
    if (renewed.kind === 'unavailable') return;
    if (renewed.kind === 'lapsed') identity.lapsed();
    const generation = await registry.generation();
    if (generation.kind === 'unavailable') return;
    const lostData = this.#generation !== undefined && this.#generation !== generation.value;
    this.#generation = generation.value;
    if (lostData) {
      logger.warn('registry lost its data, registering all sessions again');
      registrations.requestResync();
    }
    await registrations.resync();
  }
}
