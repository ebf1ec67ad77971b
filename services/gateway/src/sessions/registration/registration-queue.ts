import type { RegistrationResult, Registry, UnregisterItem } from '@muster/registry';
import type { GatewayId } from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime';
import type { Session } from '../hub/session.js';

export interface RegistrationListener {
  /** The session has its epoch. `confirmed` is false when the registry was away and the epoch is our own clock's. */
  claimed(
    session: Session,
    claim: { readonly epoch: number; readonly confirmed: boolean; readonly previous?: GatewayId },
  ): void;
  /** Another machine holds this identity, or it changes hands too often. */
  duplicate(session: Session, holder: { readonly instance: string; readonly reason: string }): void;
}

export interface RegistrationQueueOptions {
  readonly registry: Registry;
  readonly gatewayId: () => GatewayId;
  readonly listener: RegistrationListener;
  readonly clock: Clock;
  readonly logger: Logger;
}

const BATCH = 500;

/** Claims and releases, gathered per turn of the event loop: a reconnect storm costs the registry batches, not calls. */
export class RegistrationQueue {
  readonly #options: RegistrationQueueOptions;
  #claims: Session[] = [];
  #releases: UnregisterItem[] = [];
  #scheduled = false;
  /** Registry calls of one process take effect in the order they are made, but results must be waited for at the end. */
  #pending: Promise<unknown> = Promise.resolve();

  constructor(options: RegistrationQueueOptions) {
    this.#options = options;
  }

  claim(session: Session): void {
    this.#claims.push(session);
    this.#schedule();
  }

  release(session: Session): void {
    this.#releases.push({ agentId: session.agentId, epoch: session.epoch });
    this.#schedule();
  }

  /** Resolves when everything queued so far has been answered. */
  async settle(): Promise<void> {
    this.#flush();
    await this.#pending;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    const claims = this.#claims;
    const releases = this.#releases;
    this.#claims = [];
    this.#releases = [];
    const calls: Promise<unknown>[] = [];
    for (let at = 0; at < releases.length; at += BATCH) {
      calls.push(this.#options.registry.unregister(releases.slice(at, at + BATCH)));
    }
    for (let at = 0; at < claims.length; at += BATCH) calls.push(this.#claim(claims.slice(at, at + BATCH)));
    this.#pending = Promise.allSettled([this.#pending, ...calls]);
  }

  async #claim(sessions: readonly Session[]): Promise<void> {
    const { registry, gatewayId, clock, logger } = this.#options;
    const epochHint = clock.now();
    const results = await registry.register(
      gatewayId(),
      sessions.map(({ org, agentId, num, instance, mode, connectedAtMs, replaces }) => ({
        org,
        agentId,
        num,
        instance,
        mode,
        epochHint,
        connectedAtMs,
        ...(replaces === undefined ? {} : { replaces }),
      })),
    );
    sessions.forEach((session, i) => {
      const result = results[i];
      if (result === undefined) logger.error('registry gave no result for a claim', {});
      else this.#apply(session, result, epochHint);
    });
  }

  #apply(session: Session, result: RegistrationResult, epochHint: number): void {
    const { listener } = this.#options;
    switch (result.kind) {
      case 'registered': {
        const previous = result.previous?.gatewayId as GatewayId | undefined;
        if (session.state === 'closed') {
          session.epoch = result.epoch;
          this.release(session);
        } else {
          listener.claimed(session, {
            epoch: result.epoch,
            confirmed: true,
            ...(previous === undefined ? {} : { previous }),
          });
        }
        return;
      }
      case 'duplicate':
        if (session.state !== 'closed')
          listener.duplicate(session, { instance: result.holder.instance, reason: result.reason });
        return;
      case 'unavailable':
        // Losing the registry must not lock anybody out: the clock's epoch holds until it can be confirmed.
        if (session.state !== 'closed') listener.claimed(session, { epoch: epochHint, confirmed: false });
    }
  }
}
