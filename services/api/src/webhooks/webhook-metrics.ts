import type { WebhookDeliveryRecord } from '@muster/records';
import type { Metrics } from '@muster/runtime';
import type { PostAttempt } from './webhook-post.js';

export interface WebhookMetrics {
  readonly attempted: (attempt: PostAttempt, next: WebhookDeliveryRecord) => void;
  readonly dropped: () => void;
  readonly observe: (state: () => { readonly holding: boolean; readonly pending: number }) => void;
}

/** The metrics `muster_api_webhook_*`. */
export function createWebhookMetrics(metrics: Metrics): WebhookMetrics {
  let read = (): { readonly holding: boolean; readonly pending: number } => ({ holding: false, pending: 0 });
  const attempts = metrics.counter({
    name: 'muster_api_webhook_attempts_total',
    help: 'Posts to receivers of webhooks, by result.',
    labels: ['result'],
  });
  const ended = metrics.counter({
    name: 'muster_api_webhook_deliveries_total',
    help: 'Deliveries that ended, by state.',
    labels: ['state'],
    initial: [{ state: 'delivered' }, { state: 'dead' }, { state: 'dropped' }],
  });
  metrics.gauge({
    name: 'muster_api_webhook_pending_deliveries',
    help: 'Deliveries that wait for an attempt; in the process that delivers.',
    collect: (gauge) => gauge.set(read().pending),
  });
  metrics.gauge({
    name: 'muster_api_webhook_deliverer',
    help: '1 in the process that delivers webhooks.',
    collect: (gauge) => gauge.set(read().holding ? 1 : 0),
  });
  return {
    attempted: ({ status, error }, { state }) => {
      attempts.inc({ result: error === undefined ? 'taken' : status === 0 ? 'unreachable' : 'refused' });
      if (state !== 'pending') ended.inc({ state });
    },
    dropped: () => ended.inc({ state: 'dropped' }),
    observe: (state) => {
      read = state;
    },
  };
}
