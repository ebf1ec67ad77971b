import type { DirectoryWriter } from '@muster/directory';
import type { Clock, Logger } from '@muster/runtime';
import type { DenialAuditor } from '../admission/denial-auditor.js';
import { DuplicateNotices } from './duplicate-notices.js';
import type { Session } from '../hub/session.js';

export interface DuplicateReportsOptions {
  readonly directory: DirectoryWriter;
  readonly audit: DenialAuditor;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Puts on record that two machines use one identity, as often as is worth it. */
export class DuplicateIdentityReporter {
  readonly #options: DuplicateReportsOptions;
  readonly #notices: DuplicateNotices;

  constructor(options: DuplicateReportsOptions) {
    this.#options = options;
    this.#notices = new DuplicateNotices(options);
  }

  /** Returns the reason in words for the refused one. */
  tell(session: Session, holder: { readonly instance: string; readonly reason: string }): string {
    const reason =
      holder.reason === 'flapping'
        ? 'the identity changes hands too often'
        : 'another machine holds a session with this identity';
    if (this.#notices.isDue(session.org, session.agentId)) this.#record(session, holder, reason);
    return reason;
  }

  #record(session: Session, holder: { readonly instance: string; readonly reason: string }, reason: string): void {
    const { directory, audit, clock, logger } = this.#options;
    const { org, agentId, host, instance, connection } = session;
    logger.warn('identity is used by two machines', { agentId, reason: holder.reason });
    const code = 'duplicate_identity';
    audit.refused({ org, action: 'agent.connect', from: connection.address, agentId, code, reason });
    const record = {
      atMs: clock.now(),
      holderInstance: holder.instance,
      refusedInstance: instance,
      refusedHost: host,
      refusedAddress: connection.address,
    };
    void directory.recordDuplicate(org, agentId, record);
  }
}
