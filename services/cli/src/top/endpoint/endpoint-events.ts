import { ConnectionError, type ApiClient } from '@muster/api-client';
import type { MetricsEventJson } from '@muster/api-contract';

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
 * The metrics of an endpoint for as long as somebody looks. A stream that breaks is opened again after its last sample, however long it takes. Ends at the
 * signal. @throws ApiProblem when the API refuses, ConnectionError when it cannot be reached in the first place
 */
export async function* endpointEvents(options: EndpointEventsOptions): AsyncGenerator<MetricsEventJson> {
  const { client, agentId, signal, onLost } = options;
  let { past } = options;
  let hasBegun = false;
  while (!signal.aborted) {
    try {
      const call = { params: { id: agentId }, query: { past }, signal, onReconnect: onLost };
      for await (const event of client.events('GET /v1/agents/{id}/metrics/stream', call)) {
        hasBegun = true;
        yield event;
      }
    } catch (error) {
      if (signal.aborted) return;
      // The client has tried for half a minute by then.
      if (!hasBegun || !(error instanceof ConnectionError)) throw error;
      onLost();
    }
    past = WHOLE_PAST;
  }
}
