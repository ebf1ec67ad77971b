import type { DirectoryWriter } from '@muster/directory';
import type { Clock, Logger } from '@muster/runtime';
import type { EnrolledIdentities } from '../../foundation/enrolled-identities.js';
import type { Session } from '../hub/session.js';

export interface FirstSessionRecorderOptions {
  readonly identities: Pick<EnrolledIdentities, 'wasLive' | 'noteLive'>;
  readonly directory: Pick<DirectoryWriter, 'recordFirstSession'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly logger: Logger;
}

/**
 * Records the first session of an identity: from then on it is no longer one that nobody uses. One record in the life of an identity; when
 * it cannot be kept, the next session tries again.
 */
export class FirstSessionRecorder {
  readonly #options: FirstSessionRecorderOptions;

  constructor(options: FirstSessionRecorderOptions) {
    this.#options = options;
  }

  note({ org, agentId, num }: Pick<Session, 'org' | 'agentId' | 'num'>): void {
    const { identities, directory, clock, logger } = this.#options;
    if (identities.wasLive(num)) return;
    directory.recordFirstSession(org, agentId, { atMs: clock.now(), num }).then(
      (kept) => {
        if (kept.kind === 'ok') identities.noteLive(num);
        else logger.debug('a first session could not be recorded', { agentId, err: kept.cause });
      },
      (error: unknown) => logger.error('recording a first session failed', { agentId, err: error }),
    );
  }
}
