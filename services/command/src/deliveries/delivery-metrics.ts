import type { Metrics } from '@muster/runtime';

export type DeliveryMetrics = ReturnType<typeof deliveryMetrics>;

export function deliveryMetrics(metrics: Metrics) {
  return {
    deliveries: metrics.counter({
      name: 'muster_command_deliveries_total',
      help: 'Targets sent to gateways for delivery, repetitions too, by how the gateway was found.',
      labels: ['route'],
    }),
    cancels: metrics.counter({
      name: 'muster_command_cancels_total',
      help: 'Targets sent to gateways for cancellation, repetitions too.',
    }),
  };
}
