import { type Clock, type Logger, sleep } from '@muster/runtime/program';
import type { EnrolOutcome } from '../../identity/enrol.js';
import type { CommandTrust } from './command-trust.js';

export interface RootsRequestOptions {
  readonly trust: Pick<CommandTrust, 'hasRoots'>;
  /** Asks for a token; roots that come with it are pinned. */
  readonly enrol: (signal: AbortSignal) => Promise<EnrolOutcome>;
  /** There are roots now, so HELLO says something else. */
  readonly onPinned: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: () => number;
}

/** A fleet that was just updated starts at about the same time. */
const SPREAD_MS = 5_000;

/**
 * An agent that enrolled before its deployment had commands knows no roots, and only an enrolment names them. So it enrols once more, once in
 * its life as a process, beside the session that it has: nothing is lost when that is refused.
 */
export class RootsRequest {
  readonly #options: RootsRequestOptions;
  readonly #stopping = new AbortController();
  #isAsked = false;

  constructor(options: RootsRequestOptions) {
    this.#options = options;
  }

  /** There is a session, so there is a gateway that can be asked. */
  onReady(): void {
    if (this.#isAsked || this.#options.trust.hasRoots) return;
    this.#isAsked = true;
    void this.#ask();
  }

  stop(): void {
    this.#stopping.abort();
  }

  async #ask(): Promise<void> {
    const { clock, enrol, logger, onPinned, random = Math.random, trust } = this.#options;
    const { signal } = this.#stopping;
    if ((await sleep(clock, random() * SPREAD_MS, signal)) === 'aborted') return;
    const outcome = await enrol(signal);
    if (signal.aborted) return;
    if (trust.hasRoots) onPinned();
    else logger.info('no command roots; this agent takes no commands', { asked: outcome.kind });
  }
}
