import type { Presence, PresenceDoubt, Registry, ScanEntry } from '@muster/registry';
import type { OrgId } from '@muster/protocol';
import type { Clock, Metrics } from '@muster/runtime';

export type SessionsByAgent = ReadonlyMap<string, ScanEntry>;

const FRESH_MS = 1_000;

export function createPresenceMetrics(metrics: Metrics) {
  return {
    presenceUnavailable: metrics.counter({
      name: 'muster_api_presence_unavailable_total',
      help: 'Times that the registry did not say which agents are connected.',
    }),
  };
}

type PresenceMetrics = ReturnType<typeof createPresenceMetrics>;

export interface PresenceOptions {
  readonly registry: Pick<Registry, 'lookup' | 'scan'>;
  readonly clock: Clock;
  readonly metrics: PresenceMetrics;
  readonly doubt: Pick<PresenceDoubt, 'isInDoubt'>;
}

/**
 * The connected agents, from the registry. Every answer can be `undefined`, which is never an error here: the registry
 * is unreachable, or its answer may leave out agents that are connected.
 */
export class PresenceReader {
  readonly #registry: PresenceOptions['registry'];
  readonly #clock: Clock;
  readonly #metrics: PresenceMetrics;
  readonly #doubt: PresenceOptions['doubt'];
  readonly #scans = new Map<OrgId, { readonly atMs: number; readonly held: Promise<SessionsByAgent | undefined> }>();

  constructor(options: PresenceOptions) {
    this.#registry = options.registry;
    this.#clock = options.clock;
    this.#metrics = options.metrics;
    this.#doubt = options.doubt;
  }

  /** The presence of a page of agents. */
  async of(agentIds: readonly string[]): Promise<ReadonlyMap<string, Presence> | undefined> {
    if (agentIds.length === 0) return new Map();
    const result = await this.#registry.lookup(agentIds);
    return result.kind === 'found' ? await this.#unlessInDoubt(result.agents) : this.#unknown();
  }

  /** All connected agents of an org. Scans the registry, so calls within a second share one scan. */
  held(org: OrgId): Promise<SessionsByAgent | undefined> {
    const nowMs = this.#clock.monotonic();
    const known = this.#scans.get(org);
    if (known !== undefined && nowMs - known.atMs < FRESH_MS) return known.held;
    const held = this.#scan(org);
    this.#scans.set(org, { atMs: nowMs, held });
    return held;
  }

  async #scan(org: OrgId): Promise<SessionsByAgent | undefined> {
    const held = new Map<string, ScanEntry>();
    for await (const page of this.#registry.scan(org)) {
      if (page.kind === 'unavailable') return this.#unknown();
      for (const entry of page.entries) held.set(entry.agentId, entry);
    }
    return await this.#unlessInDoubt(held);
  }

  async #unlessInDoubt<T>(answer: T): Promise<T | undefined> {
    return (await this.#doubt.isInDoubt()) ? this.#unknown() : answer;
  }

  #unknown(): undefined {
    this.#metrics.presenceUnavailable.inc();
    return undefined;
  }
}
