import { randomUUID } from 'node:crypto';
import type { SessionMode } from '@muster/protocol';
import type {
  DropResult,
  GatewayInfo,
  GatewayLease,
  GatewaysResult,
  GenerationResult,
  Leases,
  LeaseRenewal,
  LookupResult,
  MemoryResult,
  Presence,
  RegistrationItem,
  RegistrationResult,
  Registry,
  RenewResult,
  ResyncItem,
  ResyncResult,
  ScanPage,
  Unavailable,
  UnregisterItem,
  UnregisterResult,
} from '@muster/registry';
import { type Clock, systemClock } from '@muster/runtime/program';

interface Entry extends Omit<ResyncItem, 'agentId'> {
  /** Empty when released. */
  readonly gatewayId: string;
  readonly lastSeenMs: number;
  /** When it was superseded, for the flap limit. */
  readonly supersededAtMs: readonly number[];
}

interface Lease {
  readonly endsAtMs: number;
  readonly renewedAtMs: number;
  readonly info: GatewayInfo;
}

/** What all {@link MemoryRegistry}s that are opened on it share, as processes share one Redis. */
export class RegistryStore {
  readonly entries = new Map<string, Entry>();
  readonly leases = new Map<string, Lease>();
  generation = randomUUID();
  /** While false, every call returns `unavailable`. */
  available = true;

  empty(): void {
    this.entries.clear();
    this.leases.clear();
    this.generation = randomUUID();
  }
}

export interface MemoryRegistryOptions {
  /** Default: a new one. */
  readonly store?: RegistryStore;
  readonly clock?: Clock;
  /** How many supersedes of one agent are allowed within how long; default 5 in 60,000 ms. */
  readonly flapLimit?: { readonly supersedes: number; readonly withinMs: number };
}

/** A session that a test puts into the registry, without a registration. */
export interface HeldAgent extends Pick<ResyncItem, 'org' | 'agentId' | 'num'> {
  readonly gatewayId: string;
  readonly mode?: SessionMode;
}

const PAGE = 512;

/** A {@link Registry} in memory, under the same contract suite as the one in Redis. */
export class MemoryRegistry implements Registry {
  readonly store: RegistryStore;
  readonly lease: Leases;
  lookups = 0;
  readonly #clock: Clock;
  readonly #flapLimit: { readonly supersedes: number; readonly withinMs: number };
  #stopped = false;

  constructor(options: MemoryRegistryOptions = {}) {
    this.store = options.store ?? new RegistryStore();
    this.#clock = options.clock ?? systemClock;
    this.#flapLimit = options.flapLimit ?? { supersedes: 5, withinMs: 60_000 };
    this.lease = {
      renew: (lease) => Promise.resolve(this.#renew(lease)),
      drop: (gatewayId) => Promise.resolve(this.#drop(gatewayId)),
      lapsed: (withinMs) => Promise.resolve(this.#lapsed(withinMs)),
    };
  }

  memory(): Promise<MemoryResult> {
    return Promise.resolve({ kind: 'memory', usedBytes: 0, limitBytes: undefined });
  }

  get connected(): boolean {
    return this.store.available && !this.#stopped;
  }

  get fault(): string | undefined {
    return this.connected ? undefined : 'the registry in memory is switched off';
  }

  /** Puts a session there, under a lease that does not end. */
  hold({ mode = 'live', ...agent }: HeldAgent): void {
    const nowMs = this.#clock.now();
    const info = { sessions: 1, draining: false, startedAtMs: nowMs };
    this.store.leases.set(agent.gatewayId, { endsAtMs: Number.POSITIVE_INFINITY, renewedAtMs: nowMs, info });
    const epoch = (this.store.entries.get(agent.agentId)?.epoch ?? 0) + 1;
    const session = { epoch, mode, instance: '0'.repeat(32), connectedAtMs: nowMs, lastSeenMs: nowMs };
    this.store.entries.set(agent.agentId, { ...agent, ...session, supersededAtMs: [] });
  }

  release(agentId: string): void {
    const entry = this.store.entries.get(agentId);
    if (entry !== undefined) this.#release(agentId, entry);
  }

  register(gatewayId: string, items: readonly RegistrationItem[]): Promise<readonly RegistrationResult[]> {
    return Promise.resolve(items.map((item) => (this.connected ? this.#registerOne(gatewayId, item) : unavailable())));
  }

  unregister(items: readonly UnregisterItem[]): Promise<UnregisterResult> {
    if (!this.connected) return Promise.resolve(unavailable());
    let count = 0;
    for (const { agentId, epoch } of items) {
      const entry = this.store.entries.get(agentId);
      if (entry === undefined || entry.gatewayId === '' || entry.epoch !== epoch) continue;
      this.#release(agentId, entry);
      count += 1;
    }
    return Promise.resolve({ kind: 'unregistered', count });
  }

  resync(gatewayId: string, items: readonly ResyncItem[]): Promise<readonly ResyncResult[]> {
    return Promise.resolve(items.map((item) => (this.connected ? this.#resyncOne(gatewayId, item) : unavailable())));
  }

  lookup(agentIds: readonly string[]): Promise<LookupResult> {
    this.lookups += 1;
    if (!this.connected) return Promise.resolve(unavailable());
    const agents = new Map<string, Presence>();
    for (const agentId of agentIds) {
      const entry = this.store.entries.get(agentId);
      if (entry !== undefined) agents.set(agentId, this.#presenceOf(entry));
    }
    return Promise.resolve({ kind: 'found', agents });
  }

  async *scan(org: string, signal?: AbortSignal): AsyncGenerator<ScanPage, void, undefined> {
    await Promise.resolve();
    if (!this.connected) {
      yield unavailable();
      return;
    }
    const held = [...this.store.entries].filter(([, entry]) => entry.org === org && this.#isHeld(entry));
    for (let from = 0; from < held.length && signal?.aborted !== true; from += PAGE) {
      const entries = held.slice(from, from + PAGE).map(([agentId, { num, gatewayId, epoch, mode, connectedAtMs }]) => {
        return { agentId, num, gatewayId, epoch, mode, connectedAtMs };
      });
      yield { kind: 'page', entries };
    }
  }

  gateways(): Promise<GatewaysResult> {
    if (!this.connected) return Promise.resolve(unavailable());
    const nowMs = this.#clock.now();
    return Promise.resolve({ kind: 'gateways', gateways: this.#leases(({ endsAtMs }) => endsAtMs > nowMs) });
  }

  generation(): Promise<GenerationResult> {
    return Promise.resolve(this.connected ? { kind: 'generation', value: this.store.generation } : unavailable());
  }

  stop(): Promise<void> {
    this.#stopped = true;
    return Promise.resolve();
  }

  #registerOne(gatewayId: string, { epochHint, replaces, ...item }: RegistrationItem): RegistrationResult {
    const nowMs = this.#clock.now();
    const old = this.store.entries.get(item.agentId);
    const holder =
      old === undefined || old.gatewayId === '' ? undefined : { gatewayId: old.gatewayId, epoch: old.epoch };
    let supersededAtMs: number[] = [];
    if (old !== undefined && holder !== undefined) {
      const { instance, epoch } = old;
      const isSame = instance === item.instance;
      // The answer to an earlier call was lost, and the caller asks again.
      if (isSame && old.gatewayId === gatewayId && old.connectedAtMs === item.connectedAtMs) {
        return { kind: 'registered', epoch };
      }
      if (this.#isLive(old.gatewayId) || old.gatewayId === gatewayId) {
        if (!isSame) return { kind: 'duplicate', reason: 'instance', holder: { ...holder, instance } };
        const { supersedes, withinMs } = this.#flapLimit;
        supersededAtMs = old.supersededAtMs.filter((atMs) => nowMs - atMs < withinMs);
        if (epoch !== replaces) {
          if (supersededAtMs.length >= supersedes) {
            return { kind: 'duplicate', reason: 'flapping', holder: { ...holder, instance } };
          }
          supersededAtMs.push(nowMs);
        }
      }
    }
    const epoch = Math.max(epochHint, (old?.epoch ?? 0) + 1);
    this.store.entries.set(item.agentId, { ...item, gatewayId, epoch, lastSeenMs: nowMs, supersededAtMs });
    return { kind: 'registered', epoch, ...(holder !== undefined && { previous: holder }) };
  }

  #resyncOne(gatewayId: string, item: ResyncItem): ResyncResult {
    const old = this.store.entries.get(item.agentId);
    if (old !== undefined && old.epoch >= item.epoch) {
      const isSame =
        old.epoch === item.epoch &&
        old.gatewayId !== '' &&
        old.instance === item.instance &&
        old.connectedAtMs === item.connectedAtMs;
      if (!isSame) {
        const { gatewayId: newer, epoch } = old;
        return { kind: 'lost', ...(newer !== '' && { holder: { gatewayId: newer, epoch } }) };
      }
    }
    const supersededAtMs = old?.supersededAtMs ?? [];
    this.store.entries.set(item.agentId, { ...item, gatewayId, lastSeenMs: this.#clock.now(), supersededAtMs });
    return { kind: 'kept' };
  }

  #release(agentId: string, entry: Entry): void {
    this.store.entries.set(agentId, { ...entry, gatewayId: '', lastSeenMs: this.#clock.now() });
  }

  #presenceOf(entry: Entry): Presence {
    const { gatewayId, epoch, mode, connectedAtMs, lastSeenMs } = entry;
    const session = { gatewayId, epoch, mode, connectedAtMs };
    if (this.#isHeld(entry)) return { session, lastSeenMs: this.#clock.now() };
    const seen = { lastSeenMs: Math.max(lastSeenMs, this.store.leases.get(gatewayId)?.renewedAtMs ?? 0) };
    return gatewayId === '' ? seen : { lapsed: session, ...seen };
  }

  #isHeld({ gatewayId }: Entry): boolean {
    return gatewayId !== '' && this.#isLive(gatewayId);
  }

  #isLive(gatewayId: string): boolean {
    return (this.store.leases.get(gatewayId)?.endsAtMs ?? 0) > this.#clock.now();
  }

  #renew({ gatewayId, ttlMs, info }: LeaseRenewal): RenewResult {
    if (!this.connected) return unavailable();
    const nowMs = this.#clock.now();
    const lease = this.store.leases.get(gatewayId);
    const hasEnded = lease !== undefined && lease.endsAtMs <= nowMs;
    if (hasEnded && isDropped(lease)) return { kind: 'dropped' };
    this.store.leases.set(gatewayId, { endsAtMs: nowMs + ttlMs, renewedAtMs: nowMs, info });
    return { kind: hasEnded ? 'lapsed' : 'renewed' };
  }

  #drop(gatewayId: string): DropResult {
    if (!this.connected) return unavailable();
    const nowMs = this.#clock.now();
    const lease = this.store.leases.get(gatewayId);
    if (lease !== undefined && lease.endsAtMs > nowMs) {
      this.store.leases.set(gatewayId, { ...lease, endsAtMs: nowMs, renewedAtMs: nowMs });
    }
    return { kind: 'dropped' };
  }

  #lapsed(withinMs: number): GatewaysResult {
    if (!this.connected) return unavailable();
    const nowMs = this.#clock.now();
    const hasLapsed = (lease: Lease): boolean =>
      lease.endsAtMs <= nowMs && lease.endsAtMs >= nowMs - withinMs && !isDropped(lease);
    return { kind: 'gateways', gateways: this.#leases(hasLapsed) };
  }

  #leases(isWanted: (lease: Lease) => boolean): GatewayLease[] {
    const nowMs = this.#clock.now();
    return [...this.store.leases]
      .filter(([, lease]) => isWanted(lease))
      .map(([gatewayId, { endsAtMs, info }]) => ({ ...info, gatewayId, remainingMs: endsAtMs - nowMs }));
  }
}

const isDropped = ({ renewedAtMs, endsAtMs }: Lease): boolean => renewedAtMs >= endsAtMs;

function unavailable(): Unavailable {
  return { kind: 'unavailable', cause: new Error('the registry is not available') };
}
