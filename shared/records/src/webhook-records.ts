import type { OrgId } from '@muster/protocol';

/** Webhooks: who is told of events, and what became of each delivery. */

export interface WebhookRecord {
  readonly id: string;
  readonly org: OrgId;
  readonly url: string;
  /** Types of events. */
  readonly events: readonly string[];
  /** Signs deliveries, so it is kept as it is. */
  readonly secret: string;
  /** Bounds the endpoints whose events are told. */
  readonly selector?: string;
  /** The id of who made it. */
  readonly createdBy: string;
  readonly createdAtMs: number;
  readonly deletedAtMs?: number;
}

export type WebhookDeliveryState = 'pending' | 'delivered' | 'dead' | 'dropped';

/** One event for one webhook. Written when it is to be delivered, and again after each attempt. */
export interface WebhookDeliveryRecord {
  readonly org: OrgId;
  readonly webhookId: string;
  /** The same in each attempt, and for all webhooks. */
  readonly eventId: string;
  readonly type: string;
  readonly createdAtMs: number;
  /** The JSON that is sent; absent once it was delivered or given up. */
  readonly body?: string;
  readonly state: WebhookDeliveryState;
  readonly attempts: number;
  readonly lastAttemptAtMs?: number;
  /** The status of the last answer; 0 where there was none. */
  readonly lastStatus?: number;
  /** Why the last attempt failed, for people. */
  readonly lastError?: string;
  /** When the next attempt is due. */
  readonly nextAtMs?: number;
}

/** The API process that delivers, as long as it renews this. */
export interface WebhookLeaseRecord {
  readonly holder: string;
  /** It gave the lease up. */
  readonly released?: true;
}

/** The last entry of a stream whose events have become deliveries. */
export interface WebhookPositionRecord {
  readonly seq: number;
}
