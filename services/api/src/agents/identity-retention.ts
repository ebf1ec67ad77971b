import type { AuditTrail } from '@muster/audit';
import type { StreamStore } from '@muster/bus';
import type { Directory, DirectoryWriter, Endpoint } from '@muster/directory';
import { AGENT_TOKEN_TTL_MS } from '@muster/identity';
import type { OrgId } from '@muster/protocol';
import { decodeRecord, STREAM_SUBJECTS, STREAMS, type EnrolledRecord, type RemovedIdentity } from '@muster/records';
import type { Clock, Logger, Metrics, Timer } from '@muster/runtime';
import type { PresenceReader } from './presence.js';

export interface IdentityRetentionOptions {
  readonly directory: Pick<Directory, 'all'>;
  readonly writer: Pick<DirectoryWriter, 'remove' | 'wasLive' | 'forgetRemoved'>;
  readonly streams: Pick<StreamStore, 'read'>;
  readonly presence: Pick<PresenceReader, 'of'>;
  readonly audit: Pick<AuditTrail, 'record'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** How long an identity may exist without a single session; 0 keeps such identities. */
  readonly unusedMs: number;
}

const SWEEP_MS = 10 * 60_000;
/** The first sweep comes after a random part of this, so that several processes do not do the same work at once. */
const FIRST_SWEEP_MS = 5 * 60_000;
const FORGET_EVERY_MS = 24 * 3_600_000;
/** One sweep removes at most this many; the next one goes on. */
const MAX_PER_SWEEP = 1_000;
/**
 * The life of a token, and a week for clocks that differ and for gateways that issued one before they heard: what is forgotten then can no
 * longer be used, so that forgetting a revocation never makes it ineffective.
 */
export const TOKENS_EXPIRED_MS = AGENT_TOKEN_TTL_MS + 7 * 24 * 3_600_000;
/** How many ids an audit record names. */
const NAMED = 100;

type Why = RemovedIdentity['why'];

/**
 * Removes identities that nobody uses, and forgets revoked ones when their tokens have expired. Every API does this: a removal is a
 * compare-and-set, so that one of them succeeds. An agent whose identity was removed is told to enrol again.
 *
 *     enrolled ──no session for `unusedMs`──▶ removed ──tokens expired──▶ forgotten
 *        └──revoked──tokens expired──────────────┘
 */
export class IdentityRetention {
  readonly #options: IdentityRetentionOptions;
  readonly #removed;
  #timer: Timer | undefined;
  #forgetAtMs = Number.NEGATIVE_INFINITY;
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: IdentityRetentionOptions) {
    this.#options = options;
    this.#removed = options.metrics.counter({
      name: 'muster_api_identities_removed_total',
      help: 'Identities that this process removed, by reason.',
      labels: ['why'],
      initial: [{ why: 'never_live' }, { why: 'revoked' }, { why: 'over_limit' }],
    });
  }

  start(): void {
    this.#plan(Math.random() * FIRST_SWEEP_MS);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#options.clock.clear(this.#timer);
    await this.#running;
  }

  /** Removes what is due. Called by a timer; does not throw. */
  async sweep(): Promise<void> {
    const { logger, clock } = this.#options;
    try {
      await this.#removeAll('revoked', this.#due(isRevokedSince(clock.now() - TOKENS_EXPIRED_MS)));
      await this.#removeUnused();
      if (clock.monotonic() < this.#forgetAtMs) return;
      await this.#forgetRemoved();
      this.#forgetAtMs = clock.monotonic() + FORGET_EVERY_MS;
    } catch (error) {
      logger.warn('removing identities failed; it is tried again', { err: error });
    }
  }

  #plan(inMs: number): void {
    this.#timer = this.#options.clock.setTimeout(() => {
      this.#running = this.sweep().then(() => (this.#stopped ? undefined : this.#plan(SWEEP_MS)));
    }, inMs);
  }

  async #removeUnused(): Promise<void> {
    const { unusedMs, presence, writer, clock } = this.#options;
    if (unusedMs === 0) return;
    const due = this.#due(isUnusedSince(clock.now() - unusedMs));
    // Where it is not known who is connected, nobody is removed for never having been.
    const known = await presence.of(due.map(({ agentId }) => agentId));
    if (known === undefined) return;
    const unused: Endpoint[] = [];
    for (const endpoint of due) {
      if (known.get(endpoint.agentId)?.session !== undefined) continue;
      // The view may be late; the stream is not.
      if ((await writer.wasLive(endpoint)) === false) unused.push(endpoint);
    }
    await this.#removeAll('never_live', unused);
  }

  #due(isDue: (endpoint: Endpoint) => boolean): Endpoint[] {
    const due: Endpoint[] = [];
    for (const endpoint of this.#options.directory.all()) {
      if (isDue(endpoint)) due.push(endpoint);
      if (due.length >= MAX_PER_SWEEP) break;
    }
    return due;
  }

  async #removeAll(why: Why, endpoints: readonly Endpoint[]): Promise<void> {
    const { writer, clock } = this.#options;
    const removed = new Map<OrgId, string[]>();
    for (const endpoint of endpoints) {
      if (this.#stopped) break;
      const result = await writer.remove(endpoint, { atMs: clock.now(), why });
      if (result.kind === 'unavailable') break;
      if (result.kind === 'changed') continue;
      this.#removed.inc({ why });
      removed.set(endpoint.org, [...(removed.get(endpoint.org) ?? []), endpoint.agentId]);
    }
    for (const [org, agents] of removed) this.#record(org, why, agents);
  }

  #record(org: OrgId, why: Why, agents: readonly string[]): void {
    const { audit, logger } = this.#options;
    logger.info('identities removed', { org, why, count: agents.length });
    audit.record({
      ...{ org, actor: 'retention', actorName: 'identity retention', action: 'agent.remove' },
      ...{ outcome: 'allowed' as const, from: 'internal' },
      ...(agents.length === 1 ? { subject: agents[0] as string } : {}),
      details: { why, count: agents.length, agents: agents.slice(0, NAMED) },
    });
  }

  /** Purges the records of removals whose tokens have expired. Rare, so the stream is read instead of being kept in memory. */
  async #forgetRemoved(): Promise<void> {
    const { streams, writer, clock } = this.#options;
    const before = clock.now() - TOKENS_EXPIRED_MS;
    const entries = streams.read(STREAMS.identities.name, { subject: STREAM_SUBJECTS.allEnrolled });
    for await (const { data, seq } of entries) {
      if (this.#stopped) return;
      const { org, agentId, removed } = decodeRecord<EnrolledRecord>(data);
      if (removed !== undefined && removed.atMs <= before) await writer.forgetRemoved({ org, agentId }, seq);
    }
  }
}

const isRevokedSince =
  (ms: number) =>
  ({ revoked }: Endpoint): boolean =>
    revoked !== undefined && revoked.atMs <= ms;

/** Identities of versions that kept no first session are left alone: nobody knows whether they were used. */
const isUnusedSince =
  (ms: number) =>
  ({ secret, firstLiveAtMs, revoked, enrolledAtMs }: Endpoint): boolean =>
    secret !== undefined && firstLiveAtMs === undefined && revoked === undefined && enrolledAtMs <= ms;
