import type { CommandReply } from '@muster/messages';
import type { CommandId } from '@muster/protocol';
import type { Clock } from '@muster/runtime';
import type { JournalProjection } from '../journal/journal-projection.js';

type CommandCreated = Extract<CommandReply, { readonly t: 'command' }>;

export interface CompletionWaitersOptions {
  readonly projection: Pick<JournalProjection, 'onStep' | 'summary'>;
  readonly clock: Clock;
}

/** Lets a submission wait for a limited time until its command has ended, so that the reply has the outcome. */
export class CompletionWaiters {
  readonly #options: CompletionWaitersOptions;
  readonly #waiting = new Map<CommandId, Set<() => void>>();
  #unlisten: (() => void) | undefined;
  #stopped = false;

  constructor(options: CompletionWaitersOptions) {
    this.#options = options;
  }

  start(): void {
    this.#unlisten = this.#options.projection.onStep(({ command, step }) => {
      if (step.ended) this.#wake(command.id);
    });
  }

  /** Resolves with the command when it has ended, when `waitMs` are over, or when the service stops, whichever is first. */
  async ended(made: CommandCreated, waitMs: number): Promise<CommandCreated> {
    const { id, org } = made.command.record;
    const now = (): CommandCreated['command'] => this.#options.projection.summary(org, id) ?? made.command;
    if (now().status !== 'ended' && !this.#stopped) await this.#next(id, waitMs);
    return { ...made, command: now() };
  }

  stop(): void {
    this.#stopped = true;
    this.#unlisten?.();
    for (const id of [...this.#waiting.keys()]) this.#wake(id);
  }

  #next(id: CommandId, waitMs: number): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(id) ?? new Set();
      this.#waiting.set(id, waiting);
      const wake = (): void => {
        clock.clear(timer);
        waiting.delete(wake);
        if (waiting.size === 0) this.#waiting.delete(id);
        resolve();
      };
      const timer = clock.setTimeout(wake, waitMs);
      waiting.add(wake);
    });
  }

  #wake(id: CommandId): void {
    for (const wake of [...(this.#waiting.get(id) ?? [])]) wake();
  }
}
