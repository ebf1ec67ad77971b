import { followView, type Entry, type FollowedView, type Log } from '@muster/bus';
import {
  decodeKept,
  KEPT,
  parseIdentitySubject,
  STREAMS,
  type AgentId,
  type Labels,
  type LabelsRecord,
  type OrgId,
} from '@muster/protocol';
import type { Logger } from '@muster/runtime';

export interface OverlayListener {
  labelsChanged(org: OrgId, agentId: AgentId): void;
  revoked(org: OrgId, agentId: AgentId): void;
}

const NO_LABELS: Labels = {};

/**
 * What operators decided about single agents: labels and revocations. Kept whole in every gateway, so that a connect needs no look-up and a
 * decision reaches sessions as soon as the stream does.
 */
export class Overlays {
  readonly #log: Log;
  readonly #logger: Logger;
  readonly #labels = new Map<string, Labels>();
  readonly #revoked = new Set<string>();
  #views: FollowedView[] = [];

  constructor(options: { readonly log: Log; readonly logger: Logger }) {
    this.#log = options.log;
    this.#logger = options.logger;
  }

  /** Resolves when everything decided so far is known. */
  async start(listener: OverlayListener): Promise<void> {
    this.#views = await Promise.all([
      this.#follow(KEPT.allLabels, (entry, org, agentId) => {
        this.#labels.set(keyOf(org, agentId), decodeKept<LabelsRecord>(entry.data).labels);
        listener.labelsChanged(org, agentId);
      }),
      this.#follow(KEPT.allRevoked, (_entry, org, agentId) => {
        this.#revoked.add(keyOf(org, agentId));
        listener.revoked(org, agentId);
      }),
    ]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#views.map((view) => view.stop()));
  }

  labelsOf(org: OrgId, agentId: AgentId): Labels {
    return this.#labels.get(keyOf(org, agentId)) ?? NO_LABELS;
  }

  isRevoked(org: OrgId, agentId: AgentId): boolean {
    return this.#revoked.has(keyOf(org, agentId));
  }

  #follow(subject: string, take: (entry: Entry, org: OrgId, agentId: AgentId) => void): Promise<FollowedView> {
    return followView(this.#log, {
      stream: STREAMS.identities.name,
      subject,
      logger: this.#logger,
      apply: (entry) => {
        const parts = parseIdentitySubject(entry.subject);
        if (parts === undefined) return;
        try {
          take(entry, parts.org, parts.agentId);
        } catch (error) {
          this.#logger.error('unreadable identity record passed over', { err: error, seq: entry.seq });
        }
      },
      // A stream that began anew has lost decisions; keeping what we knew errs on the safe side.
    });
  }
}

function keyOf(org: OrgId, agentId: AgentId): string {
  return `${org}/${agentId}`;
}
