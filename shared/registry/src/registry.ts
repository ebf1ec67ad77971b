import type { SessionMode } from '@muster/protocol';

/**
 * The port to "who holds whom": which gateway has which agent's session, fenced by an epoch.
 *
 * The registry is a map, not a vault. It may be emptied at any moment; gateways then notice a new `generation` and
 * re-assert what they hold. While it is away every call says `unavailable` (quickly, never by exception), and routing falls
 * back to broadcast.
 *
 * Validity: an entry counts only while the lease of its gateway does. Nothing is written per agent while it just stays.
 *
 * Epochs: each claim gets an epoch above every earlier one of that agent. The newest epoch is the session; whatever
 * carries an older one is not believed. An epoch is at least the claimer's `epochHint`: give the clock in milliseconds, so
 * that epochs keep rising over an emptied registry.
 *
 * Atomicity: each item of a batch is decided and written atomically on its own; a batch is not a transaction.
 * All items of one batch may be repeated safely: a claim is recognised by agent, gateway, instance and `connectedAtMs`.
 *
 * Ordering: none between calls under way at the same time; wait for one call about an agent before the next.
 */
export interface Registry {
  /**
   * Takes agents for a gateway. The rules, in order:
   * nobody holds it validly → claimed; the holder's `instance` is another → duplicate; it names the holder's epoch in `replaces` → claimed;
   * more than the limit of supersedes (5 within 60 s) → duplicate; else → claimed.
   * `previous` is the holder the entry named, valid or not, so that it can be told. A holder on the same gateway is treated
   * like any other. Whether a holder's lease is valid is never judged on knowledge older than the call where it matters
   * (another instance). Results are in the order of `items`.
   */
  register(gatewayId: string, items: readonly RegistrationItem[]): Promise<readonly RegistrationResult[]>;

  /**
   * Gives agents up and notes when they were last seen. An item whose epoch is no longer the stored one changes nothing.
   */
  unregister(items: readonly UnregisterItem[]): Promise<UnregisterResult>;

  /**
   * Says again what a gateway holds: after the registry lost data, or after the gateway took a new id.
   * `kept`: the entry names this gateway with this epoch now. `lost`: a newer session exists, close this one as superseded.
   */
  resync(gatewayId: string, items: readonly ResyncItem[]): Promise<readonly ResyncResult[]>;

  /** The newest knowledge about agents; those never heard of are missing from the map. */
  lookup(agentIds: readonly string[]): Promise<LookupResult>;

  /**
   * All validly held agents of an org, in pages, in no order. Costs a pass over all entries: for listing, not for routing.
   * An agent that moves meanwhile may come twice or be missed. `unavailable` is the last page when it comes.
   */
  scan(org: string, signal?: AbortSignal): AsyncIterable<ScanPage>;

  /** The gateways with a valid lease. */
  gateways(): Promise<GatewaysResult>;

  readonly lease: Leases;

  /** Changes whenever the registry has lost data; who sees a change re-asserts everything it holds. */
  generation(): Promise<GenerationResult>;

  /** Is the registry reachable as far as this process knows? */
  readonly connected: boolean;

  /** Ends the connection; everything afterwards is `unavailable`. Idempotent. */
  stop(): Promise<void>;
}

/** One lease per gateway: the only thing that is renewed. */
export interface Leases {
  /**
   * Takes or extends the lease for `ttlMs` from now (the registry's clock).
   * `lapsed`: it had ended before, so others may have stopped believing this gateway; it must take a new id and re-assert.
   * The caller owes a check of its own clock too: if more than `ttlMs` passed since the last `renewed`, it is fenced.
   */
  renew(lease: LeaseRenewal): Promise<RenewResult>;
  /** Ends the lease now; its entries stop being valid, and its agents count as last seen now. */
  drop(gatewayId: string): Promise<DropResult>;
}

export interface RegistrationItem {
  readonly org: string;
  readonly agentId: string;
  readonly num: number;
  /** The machine, in hex (32 digits): two instances behind one agent id are two machines with one key. */
  readonly instance: string;
  readonly mode: SessionMode;
  /** The least epoch to give: the clock in milliseconds. */
  readonly epochHint: number;
  readonly connectedAtMs: number;
  /** The epoch of the session that the agent says it leaves for this one. Only the agent itself can know it, so such a change is no sign of a fight. */
  readonly replaces?: number;
}

export type RegistrationResult =
  | { readonly kind: 'claimed'; readonly epoch: number; readonly previous?: Holder }
  | {
      readonly kind: 'duplicate';
      readonly reason: DuplicateReason;
      readonly holder: Holder & { readonly instance: string };
    }
  | Unavailable;

/** `instance`: another machine uses this identity. `flapping`: it changed hands too often within a minute. */
export type DuplicateReason = 'instance' | 'flapping';

export interface Holder {
  readonly gatewayId: string;
  readonly epoch: number;
}

export interface UnregisterItem {
  readonly agentId: string;
  readonly epoch: number;
}

export type UnregisterResult = { readonly kind: 'released'; readonly count: number } | Unavailable;

/** A claim that was granted before, with the epoch it got. */
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
  /** Until the lease ends, as of the answer. */
  readonly remainingMs: number;
}

export type RenewResult = { readonly kind: 'renewed' } | { readonly kind: 'lapsed' } | Unavailable;
export type DropResult = { readonly kind: 'dropped' } | Unavailable;
export type GatewaysResult = { readonly kind: 'gateways'; readonly gateways: readonly GatewayLease[] } | Unavailable;
export type GenerationResult = { readonly kind: 'generation'; readonly value: string } | Unavailable;

export interface Presence {
  /** Present only while a gateway holds the agent under a valid lease. */
  readonly session?: HeldSession;
  /** When it was last known to be connected; for a held agent: now, as far as the lease says. */
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

/** The registry could not be asked, or did not answer in time; whether a write took effect is unknown. */
export interface Unavailable {
  readonly kind: 'unavailable';
  readonly cause: Error;
}
