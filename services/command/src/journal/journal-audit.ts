import type { OrgId } from '@muster/protocol';
import type { JournalProjection } from './journal-projection.js';
import { OrgAudit, type OrgAuditOptions } from './org-audit.js';

export interface JournalAuditOptions extends Omit<OrgAuditOptions, 'org' | 'projection'> {
  readonly projection: Pick<JournalProjection, 'onStep' | 'onLate' | 'onRestart' | 'newest' | 'firstOf'>;
  /** Whether this service writes the records of an org. When two do for a moment, each record is there once all the same. */
  readonly records: (org: OrgId) => boolean;
}

/**
 * The audit of what is in the journal. An entry is audited because it is in the journal, not because its writer lives:
 * one service for each org writes the records, in the order of the journal, and another one goes on where it ended.
 */
export class JournalAudit {
  readonly #options: JournalAuditOptions;
  readonly #orgs = new Map<OrgId, OrgAudit>();
  #unlisten: (() => void)[] = [];
  #ready = false;

  constructor(options: JournalAuditOptions) {
    this.#options = options;
  }

  /** Call it when the projection has caught up. */
  start(): void {
    const { projection } = this.#options;
    this.#unlisten = [
      projection.onStep((step) => this.#of(step.command.org)?.step(step)),
      projection.onLate((late) => this.#of(late.org)?.late(late)),
      projection.onRestart(() => this.#restart()),
    ];
    this.#ready = true;
    this.redistribute();
  }

  /** Waits for what was read, until the signal is aborted. The rest is written by the next service. */
  async drain(signal?: AbortSignal): Promise<void> {
    const idle = Promise.all(Array.from(this.#orgs.values(), (org) => org.idle()));
    await Promise.race([idle, aborted(signal)]);
  }

  stop(): void {
    for (const end of this.#unlisten) end();
    this.#ready = false;
    this.#release(() => true);
  }

  /** The set of live services changed. */
  redistribute(): void {
    this.#release((org) => !this.#options.records(org));
    for (const org of this.#options.projection.newest().keys()) this.#of(org);
  }

  #restart(): void {
    this.#release(() => true);
    this.redistribute();
  }

  /** The audit of an org whose records this service writes. A new one begins with what the chain lacks. */
  #of(org: OrgId): OrgAudit | undefined {
    const known = this.#orgs.get(org);
    if (known !== undefined || !this.#ready || !this.#options.records(org)) return known;
    const { streams, trail, projection, clock, logger } = this.#options;
    const audit = new OrgAudit({ org, streams, trail, projection, clock, logger });
    this.#orgs.set(org, audit);
    return audit;
  }

  #release(isReleased: (org: OrgId) => boolean): void {
    for (const [org, audit] of this.#orgs) {
      if (!isReleased(org)) continue;
      audit.stop();
      this.#orgs.delete(org);
    }
  }
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }));
}
