import { followView, type Entry, type FollowedView, type StreamStore } from '@muster/bus';
import type { AgentId, OrgId } from '@muster/protocol';
import {
  decodeRecord,
  parseIdentitySubject,
  STREAMS,
  type FallbackRecord,
  type DuplicateRecord,
  type EnrolledRecord,
  type FactsRecord,
  type FirstSessionRecord,
  type LabelsRecord,
  type ModeOverrideRecord,
  type RevokedRecord,
} from '@muster/records';
import type { Logger } from '@muster/runtime';
import { effectiveLabels, type Endpoint } from './endpoint.js';
import { SharedTexts } from './shared-texts.js';

export type EndpointChange =
  'enrolled' | 'live' | 'facts' | 'labels' | 'revoked' | 'duplicate' | 'mode' | 'fallback' | 'removed';

const NO_LABELS = {};

type Listener = (endpoint: Endpoint, change: EndpointChange) => void;

/**
 * Every enrolled endpoint, in memory: a view that follows the identities stream. `directory-memory.test.ts` measures what an endpoint
 * takes; a lookup is a map access. It lags the stream by the delivery time of a message, so it may not know an agent that enrolled a
 * moment ago. A removed identity is forgotten at once.
 */
export class Directory {
  readonly #streams: StreamStore;
  readonly #logger: Logger;
  readonly #byNum = new Map<number, Endpoint>();
  readonly #byOrg = new Map<OrgId, Map<AgentId, Endpoint>>();
  /** Records that arrived before their enrolment record: after a reset of the stream, or when labels were written first. */
  readonly #early = new Map<string, Map<string, Uint8Array>>();
  readonly #listeners = new Set<Listener>();
  readonly #texts = new SharedTexts();
  #highestNum = 0;
  #view: FollowedView | undefined;
  /** Nobody can have an endpoint of before that. */
  #isStarted = false;

  constructor(options: { readonly streams: StreamStore; readonly logger: Logger }) {
    this.#streams = options.streams;
    this.#logger = options.logger;
  }

  /** Resolves when everything that was stored at the time of the call has been read. Retries while the broker is unavailable. */
  async start(signal?: AbortSignal): Promise<void> {
    this.#view ??= await followView(this.#streams, {
      stream: STREAMS.identities.name,
      logger: this.#logger,
      apply: (entry) => this.#apply(entry),
      reset: () => this.#clear(),
      ...(signal === undefined ? {} : { signal }),
    });
    this.#isStarted = true;
  }

  async stop(): Promise<void> {
    await this.#view?.stop();
  }

  /** Resolves when it has everything that is kept now. @throws StreamError */
  async current(): Promise<void> {
    await this.#view?.current();
  }

  get size(): number {
    return this.#byNum.size;
  }

  /** No endpoint that it could know has a higher number; 0 before the first record. Agents that enrolled a moment ago may. */
  get highestNum(): number {
    return this.#highestNum;
  }

  byNum(num: number): Endpoint | undefined {
    return this.#byNum.get(num);
  }

  byId(org: OrgId, agentId: string): Endpoint | undefined {
    return this.#byOrg.get(org)?.get(agentId as AgentId);
  }

  /** All endpoints of an org in the order of their enrolment, revoked ones too. */
  endpoints(org: OrgId): Iterable<Endpoint> {
    return this.#byOrg.get(org)?.values() ?? [];
  }

  /** All endpoints of all orgs. */
  all(): Iterable<Endpoint> {
    return this.#byNum.values();
  }

  /** Calls `listener` after every change; returns the function that removes it. */
  onChange(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #clear(): void {
    this.#byNum.clear();
    this.#byOrg.clear();
    this.#early.clear();
    this.#highestNum = 0;
  }

  #apply(entry: Entry): void {
    // The number of an agent is the sequence of its enrolment among all records of identities.
    this.#highestNum = Math.max(this.#highestNum, entry.seq);
    try {
      this.#applyRecord(entry);
    } catch (error) {
      // One unreadable record must not stop the view.
      this.#logger.error('unreadable identity record skipped', { err: error, seq: entry.seq });
    }
  }

  #applyRecord(entry: Entry): void {
    const parts = parseIdentitySubject(entry.subject);
    if (parts === undefined) return;
    const { org, kind, agentId } = parts;
    if (kind === 'enrolled') {
      this.#enrol(org, agentId, entry);
      return;
    }
    const known = this.byId(org, agentId);
    if (known === undefined) {
      const key = `${org}/${agentId}`;
      const records = this.#early.get(key) ?? new Map<string, Uint8Array>();
      // A copy: an entry's data is a view of a receive buffer, which would stay as long as the record.
      this.#early.set(key, records.set(kind, entry.data.slice()));
      return;
    }
    this.#change(known, kind, entry.data);
  }

  #enrol(org: OrgId, agentId: AgentId, entry: Entry): void {
    const record = decodeRecord<EnrolledRecord>(entry.data);
    const key = `${org}/${agentId}`;
    if (record.removed !== undefined) {
      this.#early.delete(key);
      this.#remove(org, agentId);
      return;
    }
    const agentLabels = this.#texts.labels(record.labels);
    const operatorLabels = record.given === undefined ? NO_LABELS : this.#texts.labels(record.given);
    const labels = effectiveLabels(agentLabels, operatorLabels);
    this.#put(
      {
        // The one of the subject is a piece of that text, and would keep all of it.
        agentId: record.agentId,
        org: this.#texts.text(org) as OrgId,
        num: entry.seq,
        enrolledAtMs: record.enrolledAtMs,
        seenAtMs: record.enrolledAtMs,
        facts: this.#texts.facts(record.facts),
        agentLabels,
        operatorLabels,
        labels: labels === agentLabels ? agentLabels : this.#texts.labels(labels),
        ...(record.secret === undefined ? {} : { secret: this.#texts.text(record.secret) }),
      },
      'enrolled',
    );
    for (const [kind, data] of this.#early.get(key) ?? []) {
      const endpoint = this.byId(org, agentId);
      if (endpoint !== undefined) this.#change(endpoint, kind, data);
    }
    this.#early.delete(key);
  }

  #remove(org: OrgId, agentId: AgentId): void {
    const known = this.byId(org, agentId);
    if (known === undefined) return;
    this.#byNum.delete(known.num);
    this.#byOrg.get(org)?.delete(agentId);
    for (const listener of this.#listeners) listener(known, 'removed');
  }

  #change(known: Endpoint, kind: string, data: Uint8Array): void {
    switch (kind) {
      case 'facts': {
        const record = decodeRecord<FactsRecord>(data);
        const [facts, agentLabels] = [this.#texts.facts(record.facts), this.#texts.labels(record.labels)];
        const labels = effectiveLabels(agentLabels, known.operatorLabels);
        return this.#update(known, { facts, agentLabels, labels, seenAtMs: record.seenAtMs }, kind);
      }
      case 'labels': {
        const operatorLabels = this.#texts.labels(decodeRecord<LabelsRecord>(data).labels);
        const labels = this.#texts.labels(effectiveLabels(known.agentLabels, operatorLabels));
        return this.#update(known, { operatorLabels, labels }, kind);
      }
      case 'live': {
        const { num, atMs } = decodeRecord<FirstSessionRecord>(data);
        if (num !== known.num) return undefined;
        return this.#update(known, { firstLiveAtMs: atMs }, kind);
      }
      case 'revoked':
        return this.#update(known, { revoked: decodeRecord<RevokedRecord>(data) }, kind);
      case 'duplicate':
        return this.#update(known, { duplicate: decodeRecord<DuplicateRecord>(data) }, kind);
      case 'mode':
        return this.#update(known, { modeOverride: decodeRecord<ModeOverrideRecord>(data) }, kind);
      case 'away':
        return this.#update(known, { fallback: decodeRecord<FallbackRecord>(data) }, 'fallback');
      default:
        // Written by a newer version.
        this.#logger.debug('unknown identity record skipped', { kind });
    }
  }

  /** While it starts it changes its own objects: a copy of each, and its way into two maps, is a tenth of the start of a large fleet. */
  #update(known: Endpoint, change: Partial<Endpoint>, kind: EndpointChange): void {
    if (this.#isStarted) return this.#put({ ...known, ...change }, kind);
    Object.assign(known, change);
    for (const listener of this.#listeners) listener(known, kind);
  }

  #put(endpoint: Endpoint, change: EndpointChange): void {
    this.#byNum.set(endpoint.num, endpoint);
    let org = this.#byOrg.get(endpoint.org);
    if (org === undefined) this.#byOrg.set(endpoint.org, (org = new Map<AgentId, Endpoint>()));
    org.set(endpoint.agentId, endpoint);
    for (const listener of this.#listeners) listener(endpoint, change);
  }
}
