import type { LookupResult, Registry } from '@muster/registry';
import { sleep, type Clock } from '@muster/runtime';
import type { SessionView, SuccessorView } from '../../foundation/session-view.js';

export interface SuccessorLookupOptions {
  readonly registry: Pick<Registry, 'lookup'>;
  readonly clock: Clock;
}

/** Within this time the registry answers, or it is out of reach. */
const PATIENCE_MS = 1_000;

/**
 * Asks the registry for newer sessions of agents whose sessions have ended here. A session is registered before its WELCOME is sent: an
 * agent that leaves when its next session is ready is found there, whatever message of the other gateway is still on its way. Questions
 * are gathered per turn of the event loop, because many sessions end at one moment.
 */
export class SuccessorLookup implements SuccessorView {
  readonly #options: SuccessorLookupOptions;
  #asked: string[] = [];
  #answer: Promise<LookupResult | undefined> | undefined;

  constructor(options: SuccessorLookupOptions) {
    this.#options = options;
  }

  async hasSuccessor({ agentId, epoch }: SessionView): Promise<boolean | undefined> {
    this.#asked.push(agentId);
    this.#answer ??= new Promise((resolve) => setImmediate(() => resolve(this.#look())));
    const found = await this.#answer;
    // Sessions that were registered stay known after they have ended, so who is unknown was lost with the registry's data.
    const presence = found?.kind === 'found' ? found.agents.get(agentId) : undefined;
    return presence === undefined ? undefined : (presence.session?.epoch ?? 0) > epoch;
  }

  /** `undefined` when the registry does not answer in time. */
  async #look(): Promise<LookupResult | undefined> {
    const { registry, clock } = this.#options;
    const agentIds = this.#asked;
    this.#asked = [];
    this.#answer = undefined;
    const patience = new AbortController();
    try {
      const tooLate = sleep(clock, PATIENCE_MS, patience.signal).then(() => undefined);
      return await Promise.race([registry.lookup(agentIds), tooLate]);
    } finally {
      patience.abort();
    }
  }
}
