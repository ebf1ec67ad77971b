import type { DirectoryWriter } from '@muster/directory';
import type { AgentId, OrgId } from '@muster/protocol';
import type { RegistrationResult } from '@muster/registry';
import type { Clock, Logger } from '@muster/runtime';
import { ExpiringCache } from '../../foundation/expiring-cache.js';
import type { DenialAuditor } from '../admission/denial-auditor.js';
import type { Session } from '../hub/session.js';

export interface DuplicateIdentityReporterOptions {
  readonly directory: Pick<DirectoryWriter, 'recordDuplicate'>;
  readonly auditor: Pick<DenialAuditor, 'denied'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How many agents are remembered. */
  readonly maxAgents?: number;
}

const INTERVAL_MS = 60_000;
const MAX_AGENTS = 10_000;

type Duplicate = Extract<RegistrationResult, { readonly kind: 'duplicate' }>;

/**
 * Records that two machines use one identity: the first time for an agent, then once a minute. A clone tries again and again, and each of
 * its attempts says the same. Beyond `MAX_AGENTS` the agents that were recorded longest ago are forgotten, and may be recorded once more.
 */
export class DuplicateIdentityReporter {
  readonly #options: DuplicateIdentityReporterOptions;
  readonly #recent: ExpiringCache<true>;

  constructor(options: DuplicateIdentityReporterOptions) {
    this.#options = options;
    this.#recent = new ExpiringCache(options.clock, { max: options.maxAgents ?? MAX_AGENTS, ttlMs: INTERVAL_MS });
  }

  /** Returns the reason in words, for the machine that is refused. */
  report(session: Session, { holder, reason: kind }: Duplicate): string {
    const reason =
      kind === 'flapping'
        ? 'the identity changes hands too often'
        : 'another machine holds a session with this identity';
    if (this.#isDue(session.org, session.agentId)) this.#record(session, { holder: holder.instance, kind, reason });
    return reason;
  }

  #isDue(org: OrgId, agentId: AgentId): boolean {
    const key = `${org}/${agentId}`;
    if (this.#recent.has(key)) return false;
    this.#recent.set(key, true);
    return true;
  }

  #record(
    { org, agentId, host, instance, connection }: Session,
    why: { readonly holder: string; readonly kind: string; readonly reason: string },
  ): void {
    const { directory, auditor, clock, logger } = this.#options;
    logger.warn('identity is used by two machines', { agentId, reason: why.kind });
    const denial = { org, action: 'agent.connect', from: connection.address, agentId, reason: why.reason } as const;
    auditor.denied({ ...denial, code: 'duplicate_identity' });
    void directory.recordDuplicate(org, agentId, {
      atMs: clock.now(),
      holderInstance: why.holder,
      refusedInstance: instance,
      refusedHost: host,
      refusedAddress: connection.address,
    });
  }
}
