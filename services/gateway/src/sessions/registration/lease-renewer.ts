import type { Bus, BusSubscription } from '@muster/bus';
import { decodeBusMessage, encodeBusMessage, SUBJECTS, type GatewayReply, type GatewayRequest } from '@muster/messages';
import { newGatewayId, type GatewayId } from '@muster/protocol';
import type { Registry } from '@muster/registry';
import type { Clock, Logger, Timer } from '@muster/runtime';

export interface LeaseListener {
  /**
   * The process stood still for longer than its lease: others have stopped believing it, and its agents may be elsewhere. Called before
   * anything else of this incarnation is done; the id has already changed.
   */
  fenced(): void;
  /** Others have stopped believing the former id although the process ran: it could not be reached. Its sessions may still be good. */
  renamed(): void;
  /** Says again what is held. Resolves to false when the registry could not be asked. */
  reassert(): Promise<boolean>;
  /** Answers a request to this gateway. */
  request(request: GatewayRequest): GatewayReply | Promise<GatewayReply>;
}

export interface LeaseRenewerOptions {
  readonly bus: Bus;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sessions: () => number;
  readonly draining: () => boolean;
  readonly listener: LeaseListener;
  readonly leaseMs?: number;
}

const LEASE_MS = 15_000;
/** A session does not live through so many outages of the broker. */
const MAX_IDS = 16;

/**
 * This gateway's identity in time. It renews one lease, and only after it heard its own ping through the broker: a gateway that cannot be
 * reached must not look alive.
 *
 *     held ──own clock stood still past the lease──▶ fenced ──new id──▶ held
 *       └──registry says lapsed, or lost data──▶ new id, re-assert──▶ held
 */
export class LeaseRenewer {
  readonly #options: LeaseRenewerOptions;
  readonly #leaseMs: number;
  readonly #startedAtMs: number;
  #id: GatewayId = newGatewayId();
  #tickedAtMs: number;
  #generation: string | undefined;
  #owesReassert = false;
  #isRenewing = false;
  #renewTimer: Timer | undefined;
  #beatTimer: Timer | undefined;
  #requests: BusSubscription | undefined;
  /** Of this id and of former ones whose poll sessions may go on, the oldest first. */
  #polls: BusSubscription[] = [];

  constructor(options: LeaseRenewerOptions) {
    this.#options = options;
    this.#leaseMs = options.leaseMs ?? LEASE_MS;
    this.#startedAtMs = options.clock.now();
    this.#tickedAtMs = options.clock.monotonic();
  }

  get id(): GatewayId {
    return this.#id;
  }

  async start(): Promise<void> {
    const { clock } = this.#options;
    this.#tickedAtMs = clock.monotonic();
    this.#listen();
    this.#beatTimer = clock.setInterval(() => this.#beat(), this.#leaseMs / 10);
    this.#renewTimer = clock.setInterval(() => void this.#renew(), this.#leaseMs / 3);
    this.#beat();
    await this.#renew();
  }

  async stop(): Promise<void> {
    const { clock, registry } = this.#options;
    clock.clear(this.#beatTimer);
    clock.clear(this.#renewTimer);
    this.#requests?.unsubscribe();
    this.#forgetPolls();
    await registry.lease.drop(this.#id);
  }

  /** Sessions exist whose epoch the registry has not confirmed. */
  oweReassert(): void {
    this.#owesReassert = true;
  }

  /**
   * Notices that the process stood still. To be called before anything is believed that may have waited in a buffer meanwhile: after a
   * freeze, sockets are read before timers fire.
   */
  check(): void {
    const { clock, logger, listener } = this.#options;
    const nowMs = clock.monotonic();
    const gapMs = nowMs - this.#tickedAtMs;
    if (gapMs <= this.#leaseMs) return;
    this.#tickedAtMs = nowMs;
    this.#forgetPolls();
    const former = this.#rename();
    logger.error('gateway stood still past its lease and gives up its sessions', { former, gapMs: Math.round(gapMs) });
    listener.fenced();
    void this.#renew();
  }

  /** Takes a new id; returns the former one, which nobody answers for any more but for its poll sessions. */
  #rename(): GatewayId {
    const former = this.#id;
    this.#id = newGatewayId();
    this.#listen();
    return former;
  }

  #listen(): void {
    this.#requests?.unsubscribe();
    this.#requests = this.#answer(SUBJECTS.gateway(this.#id), ['ping', 'superseded', 'holds', 'traffic']);
    // Poll sessions are named for the id under which they were opened: who asks for one goes on asking there.
    this.#polls.push(this.#answer(SUBJECTS.gatewayPolls(this.#id), ['poll']));
    if (this.#polls.length > MAX_IDS) this.#polls.shift()?.unsubscribe();
  }

  #forgetPolls(): void {
    for (const subscription of this.#polls.splice(0)) subscription.unsubscribe();
  }

  #answer(subject: string, takes: readonly GatewayRequest['t'][]): BusSubscription {
    return this.#options.bus.subscribe(subject, ({ data, reply }) => {
      const request = decodeBusMessage<GatewayRequest>(data, ...takes);
      void this.#answerOf(request).then((answer) => reply?.(encodeBusMessage(answer)));
    });
  }

  async #answerOf(request: GatewayRequest | undefined): Promise<GatewayReply> {
    if (request === undefined) return { t: 'fault', message: 'unknown request' };
    try {
      return await this.#options.listener.request(request);
    } catch (error) {
      this.#options.logger.error('answering a request failed', { request: request.t, err: error });
      return { t: 'fault', message: 'the gateway failed' };
    }
  }

  #beat(): void {
    this.check();
    const { bus, clock, sessions, draining } = this.#options;
    this.#tickedAtMs = clock.monotonic();
    const beat = {
      t: 'gateway_beat',
      gateway: this.#id,
      sessions: sessions(),
      draining: draining(),
      nowMs: clock.now(),
    } as const;
    bus.publish(SUBJECTS.gatewayHeartbeats, encodeBusMessage(beat));
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
    const { bus, registry, sessions, draining, logger } = this.#options;
    const ping = await bus.request(SUBJECTS.gateway(this.#id), encodeBusMessage({ t: 'ping' }), { timeoutMs: 2_000 });
    if (ping.kind !== 'reply') {
      logger.warn('lease not renewed, own ping was not heard', { kind: ping.kind });
      return;
    }
    const info = { sessions: sessions(), draining: draining(), startedAtMs: this.#startedAtMs };
    const renewed = await registry.lease.renew({ gatewayId: this.#id, ttlMs: this.#leaseMs, info });
    if (renewed.kind === 'unavailable') {
      this.#owesReassert = true;
      return;
    }
    const generation = await registry.generation();
    if (generation.kind === 'unavailable') return;
    const isFirst = this.#generation === undefined;
    const lostData = !isFirst && this.#generation !== generation.value;
    this.#generation = generation.value;
    if (lostData) {
      logger.warn('registry lost its data, saying again what is held');
      this.#owesReassert = true;
    } else if (renewed.kind === 'lapsed' && !isFirst) {
      logger.warn('lease lapsed, going on under a new id', { former: this.#rename() });
      this.#options.listener.renamed();
      this.#owesReassert = true;
    }
    if (!this.#owesReassert) return;
    this.#owesReassert = false;
    if (!(await this.#options.listener.reassert())) this.#owesReassert = true;
  }
}
