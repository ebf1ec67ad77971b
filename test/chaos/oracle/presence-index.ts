import type { PresenceInterval } from '../../simulator/index.js';

/** Who had a session when, as the endpoints recorded it. */
export class PresenceIndex {
  readonly #byAgent = new Map<string, PresenceInterval[]>();

  constructor(intervals: readonly PresenceInterval[]) {
    for (const interval of intervals) {
      const known = this.#byAgent.get(interval.agentId);
      if (known === undefined) this.#byAgent.set(interval.agentId, [interval]);
      else known.push(interval);
    }
  }

  get agents(): number {
    return this.#byAgent.size;
  }

  /** The endpoints that had a session all the time. */
  throughout(fromMs: number, toMs: number): string[] {
    const holds = ({ fromMs: from, toMs: to = Infinity }: PresenceInterval): boolean => from <= fromMs && to >= toMs;
    return [...this.#byAgent].filter(([, intervals]) => intervals.some(holds)).map(([agentId]) => agentId);
  }
}
