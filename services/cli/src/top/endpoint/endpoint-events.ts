import { pastSamples, type ApiClient } from '@muster/api-client';
import type { MetricsEventJson, ScaledHostSeriesJson } from '@muster/api-contract';
import { followForever } from '../../environment/follow-forever.js';

export interface EndpointEventsOptions {
  readonly client: ApiClient;
  readonly agentId: string;
  /** How much of the past to begin with: `10m`, `90s`, `0`. */
  readonly past: string;
  readonly signal: AbortSignal;
  /** Called when the connection was lost, before it is opened again. */
  readonly onLost: () => void;
}

/** All that an endpoint keeps: enough to fill what was missed. */
const WHOLE_PAST = '10m';

/** The metrics of an endpoint for as long as somebody looks. Throws as {@link followForever}. */
export async function* endpointEvents(options: EndpointEventsOptions): AsyncGenerator<MetricsEventJson> {
  const { client, agentId, signal, onLost } = options;
  let { past } = options;
  const open = (): AsyncIterable<MetricsEventJson> => {
    const query = { past, layout: 'columns' } as const;
    const call = { params: { id: agentId }, query, signal, onReconnect: onLost };
    past = WHOLE_PAST;
    return client.events('GET /v1/agents/{id}/metrics/stream', call);
  };
  let series: readonly ScaledHostSeriesJson[] = [];
  for await (const event of followForever(open, { signal, onLost })) {
    if (event.event === 'series') series = event.series;
    if (event.event === 'past') yield* pastSamples(event, series);
    else yield event;
  }
}
