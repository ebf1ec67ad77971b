import { newGatewayId, type GatewayId } from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime';

export interface IdentityListener {
  /**
   * The process stood still for longer than its lease: others have stopped believing it, and its agents may be elsewhere. Called before
   * anything else of this incarnation is done; the id has already changed.
   */
  fenced(): void;
  /**
   * The lease had lapsed although the process ran: the broker or the registry was away. It holds again, under the same id, and the sessions
   * may still be good; others may have treated this gateway as dead meanwhile.
   */
  lapsed?(): void;
}

/**
 * Who this gateway is at the moment. The id changes only when the sessions end with it:
 *
 *     held ──process stood still past the lease──▶ new id, fenced
 *       └──the registry says that the lease had lapsed──▶ same id, its sessions are registered again
 */
export class GatewayIdentity {
  readonly leaseMs: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #listeners: IdentityListener[] = [];
  #id: GatewayId = newGatewayId();
  /** Monotonic; when this process was last known to run. Undefined until the lease is kept. */
  #ranAtMs: number | undefined;

  constructor({
    clock,
    logger,
    leaseMs,
  }: {
    readonly clock: Clock;
    readonly logger: Logger;
    readonly leaseMs: number;
  }) {
    this.#clock = clock;
    this.#logger = logger;
    this.leaseMs = leaseMs;
  }

  get id(): GatewayId {
    return this.#id;
  }

  /** Listeners are called in the order in which they were added. */
  listen(listener: IdentityListener): void {
    this.#listeners.push(listener);
  }

  /** The process runs. Called by a timer, much more often than the lease is long. */
  tick(): void {
    this.checkLease();
    this.#ranAtMs = this.#clock.monotonic();
  }

  /**
   * Notices that the process stood still. Call it before anything is believed that may have waited in a buffer meanwhile: after a freeze,
   * sockets are read before timers fire.
   */
  checkLease(): void {
    const nowMs = this.#clock.monotonic();
    const gapMs = nowMs - (this.#ranAtMs ?? nowMs);
    if (gapMs <= this.leaseMs) return;
    this.#ranAtMs = nowMs;
    const former = this.#id;
    this.#id = newGatewayId();
    this.#logger.error('gateway stood still past its lease and gives up its sessions', {
      former,
      gapMs: Math.round(gapMs),
    });
    for (const listener of this.#listeners) listener.fenced();
  }

  /** The lease had lapsed and was taken again. */
  lapsed(): void {
    this.#logger.warn('lease had lapsed, registering all sessions again');
    for (const listener of this.#listeners) listener.lapsed?.();
  }
}
