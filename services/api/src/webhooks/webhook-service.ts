import type { StreamStore } from '@muster/bus';
import type { Directory } from '@muster/directory';
import type { Clock, Component, Logger, Metrics } from '@muster/runtime';
import { Deliverer } from './deliverer.js';
import type { DeliveryStore } from './delivery-store.js';
import type { Destinations } from './destination.js';
import { eventSources } from './event-sources.js';
import { isolationSources } from './isolation-events.js';
import { FanOut } from './fan-out.js';
import { WebhookLease } from './webhook-lease.js';
import { createWebhookMetrics } from './webhook-metrics.js';
import { postDelivery } from './webhook-post.js';
import type { WebhookStore } from './webhook-store.js';

export interface WebhookServiceOptions {
  readonly streams: StreamStore;
  readonly directory: Pick<Directory, 'byId' | 'byNum'>;
  readonly webhooks: WebhookStore;
  readonly deliveries: DeliveryStore;
  readonly destinations: Destinations;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  /** Changed in tests. */
  readonly leaseMs?: number;
  readonly maxPending?: number;
}

/** Makes deliveries of events and posts them, in one of the API processes at a time. */
export function createWebhookService(options: WebhookServiceOptions): Component {
  const { clock, destinations, webhooks, deliveries, leaseMs, maxPending } = options;
  const metrics = createWebhookMetrics(options.metrics);
  const deliverer = new Deliverer({
    ...options,
    post: (webhook, delivery, signal) => postDelivery({ clock, destinations }, webhook, delivery, signal),
    onAttempt: metrics.attempted,
  });
  const fanOut = new FanOut({
    ...options,
    webhooks,
    deliveries,
    sources: [...eventSources(options), ...isolationSources(options)],
    pendingOf: (webhook) => deliverer.pendingOf(webhook),
    onAdded: (delivery, signal) => deliverer.added(delivery, signal),
    onDropped: metrics.dropped,
    ...(maxPending === undefined ? {} : { maxPending }),
  });
  const lease = new WebhookLease({
    ...options,
    ...(leaseMs === undefined ? {} : { leaseMs }),
    lead: async (signal) => {
      await Promise.all([deliverer.run(signal), fanOut.run(signal)]);
    },
  });
  metrics.observe(() => ({ holding: lease.holding, pending: deliverer.pending }));
  return { start: () => lease.start(), stop: () => lease.stop() };
}
