import { followView, type Entry, type FollowedView, type StreamStore } from '@muster/bus';
import { activeModeOverride, type ModeOverride } from '@muster/directory';
import type { AgentId, Labels, OrgId } from '@muster/protocol';
import {
  decodeRecord,
  STREAM_SUBJECTS,
  parseIdentitySubject,
  STREAMS,
  type LabelsRecord,
  type ModeOverrideRecord,
} from '@muster/records';
import type { Logger } from '@muster/runtime';

export interface OverrideListener {
  labelsChanged(org: OrgId, agentId: AgentId): void;
  revoked(org: OrgId, agentId: AgentId): void;
}

export interface OrderListener {
  /** An operator ordered which channel an agent is to use, or withdrew the order. */
  ordered(org: OrgId, agentId: AgentId): void;
}

const NO_LABELS: Labels = {};

/**
 * What operators decided about single agents: labels, revocations, orders about the channel. Kept whole in every gateway, so that a connect needs no look-up and a
 * decision reaches sessions as soon as the stream does.
 */
export class OperatorOverrides {
  readonly #streams: StreamStore;
  readonly #logger: Logger;
  readonly #labels = new Map<string, Labels>();
  readonly #revoked = new Set<string>();
  readonly #orders = new Map<string, ModeOverrideRecord>();
  #latestOrder: { readonly data: Uint8Array; readonly record: ModeOverrideRecord } | undefined;
  #views: FollowedView[] = [];

  constructor(options: { readonly streams: StreamStore; readonly logger: Logger }) {
    this.#streams = options.streams;
    this.#logger = options.logger;
  }

  /** Resolves when everything decided so far is known. */
  async start(listener: OverrideListener, orders: OrderListener): Promise<void> {
    this.#views = await Promise.all([
      this.#follow(STREAM_SUBJECTS.allLabels, (entry, org, agentId) => {
        this.#labels.set(keyOf(org, agentId), decodeRecord<LabelsRecord>(entry.data).labels);
        listener.labelsChanged(org, agentId);
      }),
      this.#follow(STREAM_SUBJECTS.allRevoked, (_entry, org, agentId) => {
        this.#revoked.add(keyOf(org, agentId));
        listener.revoked(org, agentId);
      }),
      this.#follow(STREAM_SUBJECTS.allModes, (entry, org, agentId) => {
        this.#orders.set(keyOf(org, agentId), this.#sharedOrder(entry.data));
        orders.ordered(org, agentId);
      }),
    ]);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#views.map((view) => view.stop()));
  }

  labelsOf(org: OrgId, agentId: AgentId): Labels {
    return this.#labels.get(keyOf(org, agentId)) ?? NO_LABELS;
  }

  /** What an operator ordered about an agent's channel, if it still holds. */
  orderOf(org: OrgId, agentId: AgentId, nowMs: number): ModeOverride | undefined {
    return activeModeOverride(this.#orders.get(keyOf(org, agentId)), nowMs);
  }

  isRevoked(org: OrgId, agentId: AgentId): boolean {
    return this.#revoked.has(keyOf(org, agentId));
  }

  /** An order for thousands is thousands of equal records in a row: one object is enough for them. */
  #sharedOrder(data: Uint8Array): ModeOverrideRecord {
    if (this.#latestOrder === undefined || Buffer.compare(this.#latestOrder.data, data) !== 0) {
      this.#latestOrder = { data, record: decodeRecord<ModeOverrideRecord>(data) };
    }
    return this.#latestOrder.record;
  }

  #follow(subject: string, take: (entry: Entry, org: OrgId, agentId: AgentId) => void): Promise<FollowedView> {
    return followView(this.#streams, {
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
