import { ApiProblem, pastSamples, type ApiClient } from '@muster/api-client';
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

/**
 * The metrics of an endpoint for as long as somebody looks. An API that does not know `layout=columns` is asked
 * without. Throws as {@link followForever}.
 */
export async function* endpointEvents(options: EndpointEventsOptions): AsyncGenerator<MetricsEventJson> {
  const { client, agentId, signal, onLost } = options;
  let { past } = options;
  let knowsColumns = true;
  const events = (wanted: string): AsyncIterable<MetricsEventJson> => {
    const query = knowsColumns ? ({ past: wanted, layout: 'columns' } as const) : { past: wanted };
    const call = { params: { id: agentId }, query, signal, onReconnect: onLost };
    return client.events('GET /v1/agents/{id}/metrics/stream', call);
  };
  const open = async function* (): AsyncGenerator<MetricsEventJson> {
    const wanted = past;
    past = WHOLE_PAST;
    try {
      yield* events(wanted);
    } catch (error) {
      if (!knowsColumns || !refusesLayout(error)) throw error;
      knowsColumns = false;
      yield* events(wanted);
    }
  };
  let series: readonly ScaledHostSeriesJson[] = [];
  for await (const event of followForever(open, { signal, onLost })) {
    if (event.event === 'series') series = event.series;
    if (event.event === 'past') yield* pastSamples(event, series);
    else yield event;
  }
}

/** Earlier versions of the API have no `layout`, and refuse parameters that they do not know, by their name. */
function refusesLayout(error: unknown): boolean {
  return error instanceof ApiProblem && error.status === 400 && error.message.includes('layout');
}
