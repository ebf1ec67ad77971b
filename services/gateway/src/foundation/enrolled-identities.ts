import type { Entry } from '@muster/bus';
import { AGENT_TOKEN_TTL_MS } from '@muster/identity';
import type { AgentId, OrgId } from '@muster/protocol';
import { decodeRecord, type EnrolledRecord, type FirstSessionRecord, type RemovedIdentity } from '@muster/records';
import { sleep, type Clock } from '@muster/runtime';
import type { IdentityView } from './identity-view.js';

export interface RemovalListener {
  /** An identity was removed; tokens of numbers below `belowNum` are not valid any more. */
  removed(org: OrgId, agentId: AgentId, belowNum: number, why: RemovedIdentity['why']): void;
}

/** How many identities there were, this one included, when the stream took it: the same at every gateway. */
export interface Standing {
  readonly inOrg: number;
  readonly withSecret: number;
}

type EnrolledListener = (org: OrgId, agentId: AgentId, record: EnrolledRecord) => void;

interface Outdated {
  readonly belowNum: number;
  /** By then every token of those numbers has expired. */
  readonly untilMs: number;
}

/** Standings of the latest enrolments, for those that learn their number after the stream brought it. */
const STANDINGS = 5_000;
/** How long the stream may take to bring an enrolment that the broker has acknowledged. */
const STANDING_WAIT_MS = 5_000;

/** Longer than a token lives, also one that a gateway issued before it heard of the removal. */
const OUTDATED_MS = AGENT_TOKEN_TTL_MS + 24 * 3_600_000;

interface EnrolledIdentitiesOptions {
  readonly records: IdentityView;
  readonly clock: Clock;
}

/**
 * How many identities there are, and which of them ever had a session. Every gateway follows this, so counts hold over
 * gateways and restarts. An identity takes two numbers, about 50 bytes; its name is kept only when it was removed,
 * until its tokens have expired.
 */
export class EnrolledIdentities {
  readonly #options: EnrolledIdentitiesOptions;
  readonly #listeners: RemovalListener[] = [];
  readonly #enrolledListeners: EnrolledListener[] = [];
  readonly #current = new Set<number>();
  readonly #live = new Set<number>();
  /** By org, and by org and secret. */
  readonly #counts = new Map<string, number>();
  /** Oldest removal first. */
  readonly #outdated = new Map<string, Outdated>();
  /** Oldest first. */
  readonly #standings = new Map<number, Standing>();
  readonly #waiting = new Map<number, (standing: Standing) => void>();

  constructor(options: EnrolledIdentitiesOptions) {
    this.#options = options;
    const { records } = options;
    records.on('enrolled', (entry, org, agentId) => this.#enrolled(entry, org, agentId));
    records.on('live', ({ data }) => void this.#live.add(decodeRecord<FirstSessionRecord>(data).num));
    records.onReset(() => this.#clear());
  }

  listen(listener: RemovalListener): void {
    this.#listeners.push(listener);
  }

  /** Calls the listener in the moment in which an identity is counted. */
  onEnrolled(listener: EnrolledListener): void {
    this.#enrolledListeners.push(listener);
  }

  /** All of all orgs. */
  get size(): number {
    return this.#current.size;
  }

  /** Identities of an org, or those that enrolled with one of its secrets. */
  count(org: string, secret?: string): number {
    return this.#counts.get(keyOf(org, secret)) ?? 0;
  }

  orgs(): string[] {
    return [...this.#counts.keys()].filter((key) => !key.includes('/'));
  }

  wasLive(num: number): boolean {
    return this.#live.has(num);
  }

  noteLive(num: number): void {
    this.#live.add(num);
  }

  /** Whether a token of this number belongs to an identity that was removed since. */
  isRemoved(org: OrgId, agentId: AgentId, num: number): boolean {
    return num < (this.#outdated.get(keyOf(org, agentId))?.belowNum ?? 0);
  }

  /** Where an identity that was just kept stands among all; `undefined` when the stream does not bring it in time. */
  async standing(num: number): Promise<Standing | undefined> {
    const known = this.#standings.get(num);
    if (known !== undefined) return known;
    const late = new AbortController();
    const standing = await Promise.race([
      new Promise<Standing>((resolve) => this.#waiting.set(num, resolve)),
      sleep(this.#options.clock, STANDING_WAIT_MS, late.signal).then(() => undefined),
    ]);
    late.abort();
    this.#waiting.delete(num);
    return standing;
  }

  #enrolled({ data, seq }: Entry, org: OrgId, agentId: AgentId): void {
    const record = decodeRecord<EnrolledRecord>(data);
    const { removed, secret, again } = record;
    if (removed !== undefined) {
      if (this.#current.delete(removed.num)) this.#change(org, secret, -1);
      this.#live.delete(removed.num);
      // A number above that of this record: what an earlier version issued for the record itself is not valid either.
      this.#outdate(keyOf(org, agentId), { belowNum: seq + 1, untilMs: removed.atMs + OUTDATED_MS });
      for (const listener of this.#listeners) listener.removed(org, agentId, seq, removed.why);
      return;
    }
    if (again === true) {
      this.#outdate(keyOf(org, agentId), { belowNum: seq, untilMs: record.enrolledAtMs + OUTDATED_MS });
    }
    if (!this.#current.has(seq)) {
      this.#current.add(seq);
      this.#change(org, secret, 1);
      for (const listener of this.#enrolledListeners) listener(org, agentId, record);
    }
    // Nobody waits for those that were stored before.
    if (!this.#options.records.isStarted) return;
    const withSecret = secret === undefined ? 0 : this.count(org, secret);
    this.#note(seq, { inOrg: this.count(org), withSecret });
  }

  #note(num: number, standing: Standing): void {
    this.#waiting.get(num)?.(standing);
    this.#standings.set(num, standing);
    if (this.#standings.size <= STANDINGS) return;
    for (const oldest of this.#standings.keys()) {
      this.#standings.delete(oldest);
      break;
    }
  }

  #outdate(key: string, outdated: Outdated): void {
    const nowMs = this.#options.clock.now();
    for (const [oldest, { untilMs }] of this.#outdated) {
      if (untilMs > nowMs) break;
      this.#outdated.delete(oldest);
    }
    this.#outdated.delete(key);
    if (outdated.untilMs > nowMs) this.#outdated.set(key, outdated);
  }

  #change(org: string, secret: string | undefined, by: 1 | -1): void {
    const keys = secret === undefined ? [org] : [org, keyOf(org, secret)];
    for (const key of keys) {
      const count = (this.#counts.get(key) ?? 0) + by;
      if (count > 0) this.#counts.set(key, count);
      else this.#counts.delete(key);
    }
  }

  /** The stream was made again: its numbers are others. */
  #clear(): void {
    this.#live.clear();
    this.#current.clear();
    this.#counts.clear();
    this.#outdated.clear();
    this.#standings.clear();
  }
}

/** Neither an org nor an agent's id has a slash. */
function keyOf(org: string, name: string | undefined): string {
  return name === undefined ? org : `${org}/${name}`;
}
