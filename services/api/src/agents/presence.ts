import type { Presence, Registry, ScanEntry } from '@muster/registry';
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

/**
 * Who is connected, as the registry says. The registry may be away: every answer can be `undefined`, which means that nobody knows, and is
 * never an error.
 */
export class PresenceReader {
  readonly #registry: Pick<Registry, 'lookup' | 'scan'>;
  readonly #clock: Clock;
  readonly #metrics: PresenceMetrics;
  readonly #scans = new Map<OrgId, { readonly atMs: number; readonly held: Promise<SessionsByAgent | undefined> }>();

  constructor(options: {
    readonly registry: Pick<Registry, 'lookup' | 'scan'>;
    readonly clock: Clock;
    readonly metrics: PresenceMetrics;
  }) {
    this.#registry = options.registry;
    this.#clock = options.clock;
    this.#metrics = options.metrics;
  }

  /** Of a page of agents. */
  async of(agentIds: readonly string[]): Promise<ReadonlyMap<string, Presence> | undefined> {
    if (agentIds.length === 0) return new Map();
    const result = await this.#registry.lookup(agentIds);
    if (result.kind === 'found') return result.agents;
    this.#metrics.presenceUnavailable.inc();
    return undefined;
  }

  /** All that are connected of an org. Costs a pass over the registry, so it is shared by who asks within a second. */
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
      if (page.kind === 'unavailable') {
        this.#metrics.presenceUnavailable.inc();
        return undefined;
      }
      for (const entry of page.entries) held.set(entry.agentId, entry);
    }
    return held;
  }
}
