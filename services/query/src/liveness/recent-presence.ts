import type { AgentId } from '@muster/protocol';
import type { Presence, Registry } from '@muster/registry';
import type { Clock, Timer } from '@muster/runtime';

export interface RecentPresenceOptions {
  readonly registry: Pick<Registry, 'lookup'>;
  readonly clock: Clock;
}

/** What the registry said. */
interface Said {
  /** `undefined`: it does not know this agent. */
  readonly presence: Presence | undefined;
  /** When it was asked; monotonic. */
  readonly askedMs: number;
}

/** What was said holds for so long: who came to a silent gateway since has only just begun its session. */
const HOLDS_MS = 2_000;
/** What nobody has asked for within this time is forgotten. */
const KEPT_MS = 10_000;

/**
 * What the registry said of agents a moment ago, shared by all queries: however many there are while a gateway is silent, each agent is
 * looked up once in two seconds at most. Look-ups are made one after the other, so that queries which begin at once share them too.
 */
export class RecentPresence {
  readonly #options: RecentPresenceOptions;
  readonly #said = new Map<AgentId, Said>();
  #last: Promise<unknown> = Promise.resolve();
  #usedMs = 0;
  #timer: Timer | undefined;

  constructor(options: RecentPresenceOptions) {
    this.#options = options;
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
    this.#said.clear();
  }

  /** The presence of these agents. Unknown ones are missing; `undefined` when the registry does not answer. */
  lookup(agentIds: readonly AgentId[]): Promise<ReadonlyMap<AgentId, Presence> | undefined> {
    const found = this.#last.then(() => this.#lookupNow(agentIds));
    this.#last = found.catch(() => undefined);
    return found;
  }

  async #lookupNow(agentIds: readonly AgentId[]): Promise<ReadonlyMap<AgentId, Presence> | undefined> {
    const { registry, clock } = this.#options;
    const askedMs = clock.monotonic();
    this.#usedMs = askedMs;
    const due = agentIds.filter((agentId) => (this.#said.get(agentId)?.askedMs ?? -Infinity) < askedMs - HOLDS_MS);
    if (due.length > 0) {
      const answer = await registry.lookup(due);
      if (answer.kind !== 'found') return undefined;
      for (const agentId of due) this.#said.set(agentId, { presence: answer.agents.get(agentId), askedMs });
      this.#forgetLater();
    }
    const found = new Map<AgentId, Presence>();
    for (const agentId of agentIds) {
      const presence = this.#said.get(agentId)?.presence;
      if (presence !== undefined) found.set(agentId, presence);
    }
    return found;
  }

  #forgetLater(): void {
    const { clock } = this.#options;
    this.#timer ??= clock.setTimeout(() => {
      this.#timer = undefined;
      if (clock.monotonic() - this.#usedMs >= KEPT_MS) this.#said.clear();
      else this.#forgetLater();
    }, KEPT_MS);
  }
}
