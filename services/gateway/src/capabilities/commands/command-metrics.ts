import type { Metrics } from '@muster/runtime';

/** What the command capability counts. */
export function createCommandMetrics(metrics: Metrics) {
  return {
    deliveries: metrics.counter({
      name: 'muster_gateway_command_deliveries_total',
      help: 'Deliveries of a command to one endpoint, repeats too; `elsewhere` are those of a broadcast that other gateways hold.',
      labels: ['result'],
      initial: [
        { result: 'sent' },
        { result: 'dropped' },
        { result: 'closed' },
        { result: 'missing' },
        { result: 'elsewhere' },
      ],
    }),
    cancels: metrics.counter({
      name: 'muster_gateway_command_cancels_total',
      help: 'Cancellations of a command that were passed to an endpoint.',
    }),
    reports: metrics.counter({
      name: 'muster_gateway_command_reports_total',
      help: 'Reports of endpoints about commands; those that were not `sent` are repeated by the endpoint; `sent_again`: to another service, since the first fell silent.',
      labels: ['result'],
      initial: [
        { result: 'sent' },
        { result: 'dropped' },
        { result: 'full' },
        { result: 'rate' },
        { result: 'fenced' },
        { result: 'sent_again' },
        { result: 'bad_id' },
      ],
    }),
    kept: metrics.counter({
      name: 'muster_gateway_command_reports_kept_total',
      help: 'Reports whose keeping was acknowledged to the endpoint.',
    }),
    floods: metrics.counter({
      name: 'muster_gateway_command_floods_total',
      help: 'Sessions that were closed because they sent more reports than can be kept.',
    }),
    announcements: metrics.counter({
      name: 'muster_gateway_command_announcements_total',
      help: 'Messages that tell command services which endpoints are here.',
      labels: ['of', 'result'],
    }),
  };
}

export type CommandMetrics = ReturnType<typeof createCommandMetrics>;
