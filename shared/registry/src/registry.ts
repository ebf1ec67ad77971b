import type { SessionMode } from '@muster/protocol';

/**
 * The port to the registry: which gateway holds which agent's session, fenced by an epoch.
 *
 * The registry may lose all its data at any moment. Gateways then see a new `generation` and register their sessions again
 * with `resync`. While the registry cannot be reached every call returns `unavailable`, quickly and never by exception,
 * and routing falls back to broadcast.
 *
 * Validity: an entry counts only while the lease of its gateway is valid. Nothing is written for an agent that just stays.
 *
 * Epochs: each registration gets an epoch above every earlier one of that agent. The newest epoch is the session; whatever
 * carries an older one is ignored. An epoch is at least the `epochHint` of the gateway. Give the clock in milliseconds, so
 * that epochs keep rising after the registry lost its data.
 *
 * Atomicity: each item of a batch is decided and written atomically on its own; a batch is not a transaction.
 * Any item may be sent again safely: a registration is recognised by agent, gateway, instance and `connectedAtMs`.
 *
 * Ordering: none between calls under way at the same time. Wait for one call about an agent before the next.
 */
export interface Registry {
  /**
   * Registers sessions of agents at a gateway. The rules, in this order:
   *
   * 1. no valid holder → `registered`
   * 2. the holder has another `instance` → `duplicate`
   * 3. `replaces` is the holder's epoch → `registered`
   * 4. the flap limit is reached → `duplicate`
   * 5. else → `registered`
   *
   * `previous` is the holder in the entry, valid or not, so that its gateway can be told. A holder on the same gateway is
   * treated like any other. For rule 2 the holder's lease is read after the call began; elsewhere it may be a second old.
   * Results are in the order of `items`.
   */
  register(gatewayId: string, items: readonly RegistrationItem[]): Promise<readonly RegistrationResult[]>;

  /**
   * Ends sessions and notes when the agents were last seen. An item whose epoch is not the stored one changes nothing.
   */
  unregister(items: readonly UnregisterItem[]): Promise<UnregisterResult>;

  /**
   * Registers again the sessions that a gateway holds: after the registry lost data, or after the gateway took a new id.
   * `kept`: the entry names this gateway and this epoch now. `lost`: a newer session exists, close this one as superseded.
   */
  resync(gatewayId: string, items: readonly ResyncItem[]): Promise<readonly ResyncResult[]>;

  /** The stored state of agents. Unknown agents are missing from the map. */
  lookup(agentIds: readonly string[]): Promise<LookupResult>;

  /**
   * All validly held agents of an org, in pages, in no order. It reads all entries: use it for lists, not for routing.
   * An agent that moves meanwhile may come twice or be missed. After a page `unavailable` no other page follows.
   */
  scan(org: string, signal?: AbortSignal): AsyncIterable<ScanPage>;

  /** The gateways with a valid lease. */
  gateways(): Promise<GatewaysResult>;

  readonly lease: Leases;

  /** Changes whenever the registry has lost data. A gateway that sees a change calls `resync` for all its sessions. */
  generation(): Promise<GenerationResult>;

  /** How much of its memory is in use: of several servers, where most is. */
  memory(): Promise<MemoryResult>;

  /** Whether the registry is reachable, as far as this process knows. */
  readonly connected: boolean;

  /** Which registry is not reachable, and why, for people; `undefined` while it is. */
  readonly fault: string | undefined;

  /** Ends the connection; every later call returns `unavailable`. Idempotent. */
  stop(): Promise<void>;
}

/** `limitBytes` is undefined where the server has no limit. Beyond it nothing new is registered. */
export type MemoryResult =
  { readonly kind: 'memory'; readonly usedBytes: number; readonly limitBytes: number | undefined } | Unavailable;

/** One lease per gateway: the only thing that is renewed. */
export interface Leases {
  /**
   * Takes or extends the lease for `ttlMs` from now (the registry's clock).
   * `lapsed`: it had ended before, so that others may have treated this gateway as dead. Now it holds again; the gateway calls
   * `resync` for its sessions, and learns which of them are elsewhere.
   * `dropped`: the gateway has dropped it; such a lease does not come back.
   * The caller must check its own clock too: a process that stood still for longer than `ttlMs` is fenced.
   */
  renew(lease: LeaseRenewal): Promise<RenewResult>;
  /** Ends the lease now; its entries stop being valid, and its agents count as last seen now. */
  drop(gatewayId: string): Promise<DropResult>;
  /**
   * The gateways whose lease ended within the last `withinMs` and was not dropped: they have not said goodbye.
   * `remainingMs` is negative.
   */
  lapsed(withinMs: number): Promise<GatewaysResult>;
}

export interface RegistrationItem {
  readonly org: string;
  readonly agentId: string;
  readonly num: number;
  /** The machine, 32 hex digits. Two instances with one agent id are two machines with one key. */
  readonly instance: string;
  readonly mode: SessionMode;
  /** The least epoch to give: the clock in milliseconds. */
  readonly epochHint: number;
  readonly connectedAtMs: number;
  /**
   * The epoch of the session that the agent leaves for this one. Only the agent itself knows it, so such a change does not
   * count towards the flap limit.
   */
  readonly replaces?: number;
}

export type RegistrationResult =
  | { readonly kind: 'registered'; readonly epoch: number; readonly previous?: Holder }
  | {
      readonly kind: 'duplicate';
      readonly reason: DuplicateReason;
      readonly holder: Holder & { readonly instance: string };
    }
  | Unavailable;

/** `instance`: another machine uses this identity. `flapping`: the flap limit is reached. */
export type DuplicateReason = 'instance' | 'flapping';

/** How many times an agent may be superseded within how long; default 5 within 60,000 ms. */
export interface FlapLimit {
  readonly supersedes: number;
  readonly withinMs: number;
}

export interface Holder {
  readonly gatewayId: string;
  readonly epoch: number;
}

export interface UnregisterItem {
  readonly agentId: string;
  readonly epoch: number;
}

export type UnregisterResult = { readonly kind: 'unregistered'; readonly count: number } | Unavailable;

/** An earlier registration, with the epoch that it got. */
export interface ResyncItem extends Omit<RegistrationItem, 'epochHint' | 'replaces'> {
  readonly epoch: number;
}

/** `holder` is missing when the newer session has ended already. */
export type ResyncResult =
  { readonly kind: 'kept' } | { readonly kind: 'lost'; readonly holder?: Holder } | Unavailable;

export interface LeaseRenewal {
  readonly gatewayId: string;
  readonly ttlMs: number;
  readonly info: GatewayInfo;
}

export interface GatewayInfo {
  readonly sessions: number;
  readonly draining: boolean;
  readonly startedAtMs: number;
}

export interface GatewayLease extends GatewayInfo {
  readonly gatewayId: string;
  /** Until the lease ends, as of the answer; below 0 when it has ended. */
  readonly remainingMs: number;
}

export type RenewResult = { readonly kind: 'renewed' | 'lapsed' | 'dropped' } | Unavailable;
export type DropResult = { readonly kind: 'dropped' } | Unavailable;
export type GatewaysResult = { readonly kind: 'gateways'; readonly gateways: readonly GatewayLease[] } | Unavailable;
export type GenerationResult = { readonly kind: 'generation'; readonly value: string } | Unavailable;

export interface Presence {
  /** Present only while a gateway holds the agent under a valid lease. */
  readonly session?: HeldSession;
  /** Who held it when the lease of its gateway ended: nobody has said that this session is over. */
  readonly lapsed?: HeldSession;
  /** When it was last known to be connected; for a held agent, now. */
  readonly lastSeenMs: number;
}

export interface HeldSession extends Holder {
  readonly mode: SessionMode;
  readonly connectedAtMs: number;
}

export type LookupResult = { readonly kind: 'found'; readonly agents: ReadonlyMap<string, Presence> } | Unavailable;

export interface ScanEntry extends HeldSession {
  readonly agentId: string;
  readonly num: number;
}

export type ScanPage = { readonly kind: 'page'; readonly entries: readonly ScanEntry[] } | Unavailable;

/** The registry could not be reached, or did not answer in time. Whether a write took effect is unknown. */
export interface Unavailable {
  readonly kind: 'unavailable';
  readonly cause: Error;
}
