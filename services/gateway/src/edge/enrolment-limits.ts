import type { EnrollSecret, EnrollSecrets } from '@muster/identity';
import type { AgentId } from '@muster/protocol';
import { addressBlock, TokenBucket, type Clock, type Logger, type Metrics } from '@muster/runtime';
import type { EnrolledIdentities } from '../foundation/enrolled-identities.js';
import { ExpiringCache } from '../foundation/expiring-cache.js';
import { FairRate } from '../foundation/fair-rate.js';

export interface EnrolmentLimitsOptions {
  readonly secrets: EnrollSecrets;
  readonly identities: EnrolledIdentities;
  /** Enrolments a second, and at once, with one secret that has no rate of its own. One address gets half of them. */
  readonly enrollRate: number;
  readonly enrollBurst: number;
  /** Identities that an org may have. */
  readonly orgIdentities: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** `release` gives the place back when there is no identity. When the stream brings it, the place is its own, and not reserved any more. */
export type Room = { readonly kind: 'free'; readonly release: () => void } | FullBound;

export interface FullBound {
  readonly kind: 'full';
  readonly bound: 'secret' | 'org';
  readonly message: string;
}

interface Rates {
  readonly perMinute: number | undefined;
  readonly secret: TokenBucket;
  readonly addresses: FairRate;
}

/** Requests without a valid secret from one address that are told so; more are told to wait. */
const UNPROVEN_PER_ADDRESS = { capacity: 50, refillPerSecond: 5 };
/** A bound that was reached is logged this often. */
const LOG_EVERY_MS = 60_000;
const LOGGED_BOUNDS = 1_000;

/**
 * How much may enrol: a rate by secret, of which one address gets half, and a number of identities by secret and org.
 * Numbers count what the identities stream has and what this gateway is about to add. What several gateways add at one
 * moment has an order in the stream, which all of them see alike: what comes after the last place is taken back. Rates
 * are those of one gateway.
 */
export class EnrolmentLimits {
  readonly #options: EnrolmentLimitsOptions;
  readonly #unproven: FairRate;
  #secrets: EnrollSecrets;
  /** By org and name. */
  #bySecret: ReadonlyMap<string, Rates> = new Map();
  readonly #reserved = new Map<string, number>();
  /** Gives back what is reserved for an agent, by org and agent. */
  readonly #expected = new Map<string, () => void>();
  readonly #logged: ExpiringCache<true>;

  constructor(options: EnrolmentLimitsOptions) {
    this.#options = options;
    const { clock, metrics, identities } = options;
    this.#secrets = options.secrets;
    this.#bySecret = this.#ratesBySecret();
    // In the same turn, so that nobody is counted twice: the broker may bring an identity before it acknowledges it.
    identities.onEnrolled((org, agentId) => this.#expected.get(`${org}/${agentId}`)?.());
    this.#unproven = new FairRate({ clock, own: UNPROVEN_PER_ADDRESS });
    this.#logged = new ExpiringCache(clock, { max: LOGGED_BOUNDS, ttlMs: LOG_EVERY_MS });
    metrics.gauge({
      name: 'muster_gateway_identities',
      help: 'Identities of all orgs, as the stream has them: the same at every gateway.',
      collect: (gauge) => gauge.set(identities.size),
    });
    metrics.gauge({
      name: 'muster_gateway_enrolment_fill_ratio',
      help: 'The fullest org, and the fullest enrolment secret with a bound: 1 when nothing more can enrol.',
      labels: ['bound'],
      collect: (gauge) => {
        gauge.set({ bound: 'org' }, this.#fullestOrg());
        gauge.set({ bound: 'secret' }, this.#fullestSecret());
      },
    });
  }

  /** These secrets from now on. One that goes on under its name, with the same rate, goes on with what is left of it. */
  renew(secrets: EnrollSecrets): void {
    this.#secrets = secrets;
    this.#bySecret = this.#ratesBySecret();
  }

  /** Whether a request without a valid secret is told so. */
  mayHear(address: string): boolean {
    return this.#unproven.take(addressBlock(address)).from === 'own';
  }

  /** Takes one enrolment of the rates; returns how long to wait when there is none. */
  waitMs(secret: EnrollSecret, address: string): number | undefined {
    const rates = this.#bySecret.get(keyOf(secret));
    if (rates === undefined) return undefined;
    const byAddress = rates.addresses.take(addressBlock(address));
    const taken = byAddress.from === 'none' ? byAddress : rates.secret.take();
    return 'retryAfterMs' in taken ? taken.retryAfterMs : undefined;
  }

  /** A place for one more identity, which has to be given back; or which bound has none left. */
  room({ org, name, maxIdentities = Number.POSITIVE_INFINITY }: EnrollSecret, agentId: AgentId): Room {
    const { orgIdentities } = this.#options;
    const key = `${org}/${name}`;
    if (this.#used(org) >= orgIdentities) return this.#full('org', org, orgIdentities);
    if (this.#used(org, name) >= maxIdentities) return this.#full('secret', key, maxIdentities);
    return { kind: 'free', release: this.#reserve(org, name, agentId) };
  }

  /** The bound that an identity exceeds which was kept under this number; `unknown` when the stream does not bring it. */
  async exceeded({ org, name, maxIdentities }: EnrollSecret, num: number): Promise<FullBound | 'unknown' | undefined> {
    const { identities, orgIdentities } = this.#options;
    const standing = await identities.standing(num);
    if (standing === undefined) return 'unknown';
    if (standing.inOrg > orgIdentities) return this.#full('org', org, orgIdentities);
    if (maxIdentities === undefined || standing.withSecret <= maxIdentities) return undefined;
    return this.#full('secret', `${org}/${name}`, maxIdentities);
  }

  #used(org: string, name?: string): number {
    const key = name === undefined ? org : `${org}/${name}`;
    return this.#options.identities.count(org, name) + (this.#reserved.get(key) ?? 0);
  }

  #reserve(org: string, name: string, agentId: AgentId): () => void {
    const keys = [org, `${org}/${name}`];
    for (const key of keys) this.#reserved.set(key, (this.#reserved.get(key) ?? 0) + 1);
    const expected = `${org}/${agentId}`;
    let isOpen = true;
    const release = (): void => {
      if (!isOpen) return;
      isOpen = false;
      if (this.#expected.get(expected) === release) this.#expected.delete(expected);
      for (const key of keys) {
        const left = (this.#reserved.get(key) ?? 1) - 1;
        if (left > 0) this.#reserved.set(key, left);
        else this.#reserved.delete(key);
      }
    };
    this.#expected.set(expected, release);
    return release;
  }

  #full(bound: FullBound['bound'], key: string, limit: number): FullBound {
    if (!this.#logged.has(key)) {
      this.#logged.set(key, true);
      this.#options.logger.warn('no more identities can enrol', { bound, of: key, limit });
    }
    const message =
      bound === 'org'
        ? 'the org has as many identities as it may have'
        : 'as many identities as it allows have enrolled with this secret';
    return { kind: 'full', bound, message };
  }

  #ratesBySecret(): ReadonlyMap<string, Rates> {
    return new Map(
      this.#secrets.all.map((secret) => {
        const before = this.#bySecret.get(keyOf(secret));
        return [
          keyOf(secret),
          before !== undefined && before.perMinute === secret.perMinute ? before : this.#ratesOf(secret),
        ];
      }),
    );
  }

  #ratesOf({ perMinute }: EnrollSecret): Rates {
    const { clock, enrollRate, enrollBurst } = this.#options;
    const capacity = perMinute ?? enrollBurst;
    const refillPerSecond = perMinute === undefined ? enrollRate : perMinute / 60;
    const half = { capacity: Math.max(1, capacity / 2), refillPerSecond: refillPerSecond / 2 };
    return {
      perMinute,
      secret: new TokenBucket({ clock, capacity, refillPerSecond }),
      addresses: new FairRate({ clock, own: half }),
    };
  }

  #fullestOrg(): number {
    const { identities, orgIdentities } = this.#options;
    return Math.max(0, ...identities.orgs().map((org) => identities.count(org) / orgIdentities));
  }

  #fullestSecret(): number {
    const { identities } = this.#options;
    const ratios = this.#secrets.all.flatMap(({ org, name, maxIdentities }) =>
      maxIdentities === undefined ? [] : [identities.count(org, name) / maxIdentities],
    );
    return Math.max(0, ...ratios);
  }
}

const keyOf = ({ org, name }: EnrollSecret): string => `${org}/${name}`;
