import { type Clock, type Logger, sleep } from '@muster/runtime/program';
import type { CommandHistory } from './command-history.js';
import type { CommandTrust } from './command-trust.js';
import { RETRY_MS } from './outcomes.js';
import type { AuthorizedCommand } from './verify-command.js';

export interface StartRecorderOptions {
  readonly history: Pick<CommandHistory, 'started'>;
  readonly trust: Pick<CommandTrust, 'ensureStored'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Records that a command starts. While that cannot be recorded, the command waits for room on the disk, as long as it may
 * still run: it is not refused, because after a crash that refusal would be forgotten and the command would run.
 */
export class StartRecorder {
  readonly #options: StartRecorderOptions;

  constructor(options: StartRecorderOptions) {
    this.#options = options;
  }

  /** Only after `recorded` may the command start. */
  record(command: AuthorizedCommand): 'recorded' | 'expired' | 'no_room' {
    const { clock, history, logger, trust } = this.#options;
    const { id, number, action, expiresAtMs, signedAtMs } = command;
    if (expiresAtMs <= clock.now()) return 'expired';
    try {
      if (!trust.ensureStored()) throw new Error('command trust cannot be stored');
      history.started({ id, number }, { action: action.name, expiresAtMs, signedAtMs });
      return 'recorded';
    } catch (error) {
      logger.error('command history cannot be written; the command waits', { command: id, number, err: error });
      return 'no_room';
    }
  }

  /** Tries again until it is recorded, or not wanted any more. */
  async recordLater(command: AuthorizedCommand, signal: AbortSignal): Promise<'recorded' | 'expired' | 'aborted'> {
    for (;;) {
      if ((await sleep(this.#options.clock, RETRY_MS, signal)) === 'aborted') return 'aborted';
      const recorded = this.record(command);
      if (recorded !== 'no_room') return recorded;
    }
  }
}
