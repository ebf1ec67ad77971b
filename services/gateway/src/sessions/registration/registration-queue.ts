import type { Bus } from '@muster/bus';
import { encodeBusMessage, SUBJECTS } from '@muster/messages';
import type { AgentId, GatewayId } from '@muster/protocol';
import type { RegistrationResult, Registry, UnregisterItem } from '@muster/registry';
import type { Clock, Logger } from '@muster/runtime';
import type { GatewayIdentity } from '../../foundation/gateway-identity.js';
import type { GatewayInbox } from '../../foundation/gateway-inbox.js';
import type { Hub } from '../hub/hub.js';
import type { Session } from '../hub/session.js';
import type { DuplicateIdentityReporter } from './duplicate-identity-reporter.js';
import { resyncSessions } from './resync.js';

export interface RegistrationListener {
  /** The session has its epoch. */
  registered(session: Session): void;
  /** Another machine holds this identity, or it changes hands too often. */
  duplicate(session: Session, reason: string): void;
  /** A newer session of this agent exists elsewhere. */
  superseded(session: Session): void;
  /** The registry does not name it any more, or not for long: another one of its agent took over, which the agent may not have any more. */
  displaced(session: Session): void;
}

export interface RegistrationQueueOptions {
  readonly bus: Bus;
  readonly registry: Registry;
  readonly hub: Hub;
  readonly identity: GatewayIdentity;
  readonly inbox: GatewayInbox;
  readonly duplicates: DuplicateIdentityReporter;
  readonly clock: Clock;
  readonly logger: Logger;
}

const BATCH = 500;

/** What was said of a registration before its answer came. */
interface Asked {
  readonly epochHint: number;
  /** The newest epoch by which another gateway says it is superseded, or 0. */
  readonly supersededBy: number;
}

/**
 * Tells the registry which sessions this gateway holds, and other gateways which ones they hold no more. Calls to the registry are gathered
 * per turn of the event loop: a reconnect storm costs batches, not calls.
 */
export class RegistrationQueue {
  readonly #options: RegistrationQueueOptions;
  #listener: RegistrationListener | undefined;
  #registrations: Session[] = [];
  /** Agents whose registration is under way: of how many sessions, and the newest epoch by which another gateway says it is superseded. */
  readonly #underWay = new Map<AgentId, { sessions: number; supersededBy: number }>();
  #ends: UnregisterItem[] = [];
  #scheduled = false;
  #isResyncDue = false;
  /** Registry calls of one process take effect in the order in which they are made, but results must be waited for at the end. */
  #pending: Promise<unknown> = Promise.resolve();

  constructor(options: RegistrationQueueOptions) {
    this.#options = options;
    const { hub, inbox } = options;
    inbox.on('superseded', ({ agentId, epoch, isOver }) => {
      // It may overtake the answer of the registry.
      const underWay = this.#underWay.get(agentId);
      if (underWay !== undefined) underWay.supersededBy = Math.max(underWay.supersededBy, epoch);
      const session = hub.get(agentId);
      if (session === undefined || session.epoch >= epoch) return { t: 'ok' };
      if (isOver === true) this.#listener?.displaced(session);
      else this.#listener?.superseded(session);
      return { t: 'ok' };
    });
    inbox.on('holds', ({ agentId, epoch }) => ({ t: 'holds', alive: hub.get(agentId)?.epoch === epoch }));
  }

  listen(listener: RegistrationListener): void {
    this.#listener = listener;
  }

  register(session: Session): void {
    this.#registrations.push(session);
    this.#schedule();
  }

  unregister({ agentId, epoch }: Session): void {
    this.#ends.push({ agentId, epoch });
    this.#schedule();
  }

  /** The registry may not know what this gateway holds: all of it is registered again after the next renewal of the lease. */
  requestResync(): void {
    this.#isResyncDue = true;
  }

  /** Registers everything again that this gateway holds, if that is due. */
  async resync(): Promise<void> {
    if (!this.#isResyncDue) return;
    this.#isResyncDue = false;
    const superseded = (session: Session): void => this.#listener?.superseded(session);
    if (!(await resyncSessions({ ...this.#options, superseded }))) this.#isResyncDue = true;
  }

  /** Resolves when everything queued so far has been answered. */
  async stop(): Promise<void> {
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
    const registrations = this.#registrations;
    const ends = this.#ends;
    this.#registrations = [];
    this.#ends = [];
    const calls: Promise<unknown>[] = [];
    for (let at = 0; at < ends.length; at += BATCH) {
      calls.push(this.#options.registry.unregister(ends.slice(at, at + BATCH)));
    }
    for (let at = 0; at < registrations.length; at += BATCH) {
      calls.push(this.#register(registrations.slice(at, at + BATCH)));
    }
    this.#pending = Promise.allSettled([this.#pending, ...calls]);
  }

  async #register(sessions: readonly Session[]): Promise<void> {
    const { registry, identity, clock, logger } = this.#options;
    const epochHint = clock.now();
    for (const { agentId } of sessions) {
      const underWay = this.#underWay.get(agentId) ?? { sessions: 0, supersededBy: 0 };
      underWay.sessions += 1;
      this.#underWay.set(agentId, underWay);
    }
    const items = sessions.map(({ org, agentId, num, instance, mode, connectedAtMs, replaces }) => ({
      ...{ org, agentId, num, instance, mode, epochHint, connectedAtMs },
      ...(replaces === undefined ? {} : { replaces }),
    }));
    const results = await registry.register(identity.id, items).catch((error: unknown) => {
      for (const { agentId } of sessions) this.#answered(agentId);
      throw error;
    });
    sessions.forEach((session, i) => {
      const supersededBy = this.#answered(session.agentId);
      const result = results[i];
      if (result === undefined) logger.error('registry gave no result for a registration', {});
      else this.#apply(session, result, { epochHint, supersededBy });
    });
  }

  #apply(session: Session, result: RegistrationResult, { epochHint, supersededBy }: Asked): void {
    const isOver = session.state === 'closed';
    switch (result.kind) {
      case 'registered': {
        const previous = result.previous?.gatewayId as GatewayId | undefined;
        session.epoch = result.epoch;
        session.confirmed = true;
        if (!isOver && supersededBy <= session.epoch) return this.#registered(session, previous);
        if (isOver) this.unregister(session);
        else this.#listener?.displaced(session);
        this.#displaceFormer(session, previous);
        return;
      }
      case 'duplicate':
        if (!isOver) this.#listener?.duplicate(session, this.#options.duplicates.report(session, result));
        return;
      case 'unavailable':
        if (isOver) return;
        // Losing the registry must not lock anybody out: the clock's epoch holds until it can be confirmed.
        session.epoch = epochHint;
        // Without the registry it is not known where the agent was before.
        session.movedAtMs = this.#options.clock.monotonic();
        this.#isResyncDue = true;
        this.#listener?.registered(session);
    }
  }

  /** The registration of an agent is not under way any more. Returns by which epoch it was superseded meanwhile, or 0. */
  #answered(agentId: AgentId): number {
    const underWay = this.#underWay.get(agentId);
    if (underWay === undefined) return 0;
    underWay.sessions -= 1;
    if (underWay.sessions === 0) this.#underWay.delete(agentId);
    return underWay.supersededBy;
  }

  #registered(session: Session, previous: GatewayId | undefined): void {
    const { bus, identity, clock } = this.#options;
    const isElsewhere = previous !== undefined && previous !== identity.id;
    if (isElsewhere) session.movedAtMs = clock.monotonic();
    this.#listener?.registered(session);
    if (!isElsewhere) return;
    const { agentId, epoch } = session;
    bus.publish(SUBJECTS.gateway(previous), encodeBusMessage({ t: 'superseded', agentId, epoch }));
  }

  /**
   * A registration took effect whose session does not begin: its agent has given it up, and may have another one since. That one is not in
   * the registry any more, and has to begin again.
   */
  #displaceFormer({ agentId, epoch }: Session, previous: GatewayId | undefined): void {
    const { bus, hub, identity } = this.#options;
    if (previous === undefined) return;
    if (previous === identity.id) {
      const held = hub.get(agentId);
      if (held !== undefined && held.epoch < epoch) this.#listener?.displaced(held);
      return;
    }
    bus.publish(SUBJECTS.gateway(previous), encodeBusMessage({ t: 'superseded', agentId, epoch, isOver: true }));
  }
}
