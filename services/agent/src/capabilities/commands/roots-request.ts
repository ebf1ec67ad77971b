import { type Clock, type Logger, sleep } from '@muster/runtime/program';
import type { EnrolOutcome } from '../../identity/enrol.js';
import type { CommandTrust } from './command-trust.js';

export interface RootsRequestOptions {
  readonly trust: Pick<CommandTrust, 'hasRoots'>;
  /** Enrols again; roots that come with the token are pinned. */
  readonly enrol: (signal: AbortSignal) => Promise<EnrolOutcome>;
  /** There are roots now, so HELLO has changed. */
  readonly onPinned: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random?: () => number;
}

/** The agents of a fleet that was just updated all start at about the same time. */
const SPREAD_MS = 5_000;

/**
 * An agent that enrolled before its deployment had commands knows no command roots, and only an enrolment names them.
 * So it enrols once more, once per start, while its session stays open: a refusal has no effect.
 */
export class RootsRequest {
  readonly #options: RootsRequestOptions;
  readonly #stopping = new AbortController();
  #isDone = false;

  constructor(options: RootsRequestOptions) {
    this.#options = options;
  }

  /** A session is active, so a gateway can be reached. */
  onReady(): void {
    if (this.#isDone || this.#options.trust.hasRoots) return;
    this.#isDone = true;
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
    else logger.info('no command roots; this agent takes no commands', { enrolment: outcome.kind });
  }
}
