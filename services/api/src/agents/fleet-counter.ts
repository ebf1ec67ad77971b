import type { AgentCountsJson } from '@muster/api-contract';
import { filterInTurns, type Clock } from '@muster/runtime';
import { LRUCache } from 'lru-cache';
import type { Principal } from '../http/principal.js';
import { countAgents } from './agent-counts.js';
import { selectionOf, type SelectionParts } from './agent-selection.js';

export interface FleetQuestion {
  readonly selector: string;
  /** Labels to count by. */
  readonly by: readonly string[];
  /** A count of this age is new enough. */
  readonly maxAgeMs: number;
}

interface Counted {
  readonly atMs: number;
  readonly counts: Promise<AgentCountsJson>;
}

const MAX_COUNTED = 500;

/** Counts of endpoints by mode and labels. Who asks the same within its age shares one count: it looks at every endpoint of the org. */
export class FleetCounter {
  readonly #parts: SelectionParts & { readonly clock: Clock };
  readonly #counted = new LRUCache<string, Counted>({ max: MAX_COUNTED });

  constructor(parts: SelectionParts & { readonly clock: Clock }) {
    this.#parts = parts;
  }

  /** Throws as {@link selectionOf} does. */
  async counts(principal: Principal, { selector, by, maxAgeMs }: FleetQuestion): Promise<AgentCountsJson> {
    const { clock } = this.#parts;
    const key = JSON.stringify([principal.org, principal.selector ?? '', selector, by]);
    const known = this.#counted.get(key);
    const nowMs = clock.monotonic();
    if (known !== undefined && nowMs - known.atMs < maxAgeMs) return await known.counts;
    const counts = this.#count(principal, selector, by);
    this.#counted.set(key, { atMs: nowMs, counts });
    // A failure is nobody's count.
    counts.catch(() => this.#counted.delete(key));
    return await counts;
  }

  async #count(principal: Principal, selector: string, by: readonly string[]): Promise<AgentCountsJson> {
    const { matches, held } = await selectionOf(this.#parts, principal, { selector, needsSessions: true });
    const selected = await filterInTurns(
      this.#parts.directory.endpoints(principal.org),
      (endpoint) => endpoint.revoked === undefined && matches(endpoint),
    );
    return await countAgents(selected, held, by);
  }
}
