import type {
  FlapLimit,
  RegistrationItem,
  RegistrationResult,
  Registry,
  ResyncItem,
  RenewResult,
} from '../registry.js';

/** A store on which a contract suite opens registries. The suite can empty, stop and restart it. */
export interface RegistryFixture {
  open(options?: { readonly flapLimit?: FlapLimit }): Promise<Registry>;
  /** All data is lost. */
  empty(): Promise<void>;
  /** The store stops answering at once. */
  interrupt(): Promise<void>;
  /** It answers again, with or without its data. */
  restore(): Promise<void>;
  /** It stands still with its connections open. */
  freeze(): Promise<void>;
  resume(): Promise<void>;
  stop(): Promise<void>;
}

export const LEASE_MS = 10_000;
export const INSTANCE = 'aa'.repeat(16);
export const OTHER_INSTANCE = 'bb'.repeat(16);
export const INFO = { sessions: 0, draining: false, startedAtMs: 1_700_000_000_000 };

/** One test's registry over the fixture's store, with the leases of `gw-a` and `gw-b`. */
export class RegistryHarness {
  readonly #opened: Registry[] = [];
  #fixture: RegistryFixture | undefined;

  async start(makeFixture: () => Promise<RegistryFixture>): Promise<void> {
    this.#fixture = await makeFixture();
  }

  get fixture(): RegistryFixture {
    if (this.#fixture === undefined) throw new Error('the store did not start');
    return this.#fixture;
  }

  get registry(): Registry {
    const [first] = this.#opened;
    if (first === undefined) throw new Error('no registry is open');
    return first;
  }

  async open(): Promise<void> {
    await this.fixture.empty();
    await this.openAnother();
    await this.live('gw-a', 'gw-b');
  }

  /** Another connection to the same store. */
  async openAnother(options?: { readonly flapLimit: FlapLimit }): Promise<Registry> {
    const opened = await this.fixture.open(options);
    this.#opened.push(opened);
    return opened;
  }

  async close(): Promise<void> {
    for (const opened of this.#opened.splice(0)) await opened.stop();
  }

  /** Takes leases for these gateways. */
  async live(...gatewayIds: string[]): Promise<void> {
    for (const gatewayId of gatewayIds) {
      const { kind } = await this.renew(gatewayId);
      if (kind !== 'renewed') throw new Error(`the lease of ${gatewayId} is ${kind}`);
    }
  }

  renew(gatewayId: string, ttlMs = LEASE_MS, registry = this.registry): Promise<RenewResult> {
    return registry.lease.renew({ gatewayId, ttlMs, info: INFO });
  }

  /** Unregisters `agent-1` and returns how many sessions that ended. */
  async unregister(epoch: number): Promise<number> {
    const result = await this.registry.unregister([{ agentId: 'agent-1', epoch }]);
    if (result.kind !== 'unregistered') throw new Error('unavailable');
    return result.count;
  }

  async register(gatewayId: string, more: Partial<RegistrationItem> = {}): Promise<RegistrationResult> {
    const [result] = await this.registry.register(gatewayId, [registration(more)]);
    if (result === undefined) throw new Error('no result');
    return result;
  }

  /** Registers an agent and returns the epoch. @throws when the registration is refused. */
  async registered(gatewayId: string, more: Partial<RegistrationItem> = {}): Promise<number> {
    const result = await this.register(gatewayId, more);
    if (result.kind !== 'registered') throw new Error(`the registration is ${result.kind}`);
    return result.epoch;
  }

  async presence(agentId = 'agent-1') {
    const result = await this.registry.lookup([agentId]);
    if (result.kind !== 'found') throw new Error('unavailable');
    return result.agents.get(agentId);
  }
}

export function registration(more: Partial<RegistrationItem> = {}): RegistrationItem {
  return {
    org: 'acme',
    agentId: 'agent-1',
    num: 1,
    instance: INSTANCE,
    mode: 'live',
    epochHint: 1_000,
    connectedAtMs: 500,
    ...more,
  };
}

/** The session that `registration()` made, as its gateway holds it. */
export function heldSession(more: Partial<ResyncItem> = {}): ResyncItem {
  const { epochHint: _, ...held } = registration();
  return { ...held, epoch: 1_000, ...more };
}
