import { EVENT_TYPES, operations } from '@muster/api-contract';
import { implement, json, type Operation } from '../http/operation.js';
import type { Viewers } from '../http/viewers.js';
import type { OpenStreams } from './open-streams.js';

export interface StreamParts {
  readonly streams: OpenStreams;
  readonly viewers: Viewers;
}

/** One stream for everything that a console shows. */
export function streamOperations({ streams, viewers }: StreamParts): Operation[] {
  return [
    implement(operations.openStream, ({ principal, from, body, negotiate }) => {
      const type = negotiate(...Object.values(EVENT_TYPES));
      return viewers.answer({
        principal,
        format: type === EVENT_TYPES.sse ? 'sse' : 'ndjson',
        subject: 'stream',
        events: (signal, heartbeatMs) =>
          streams.events({ principal, from }, body.subscriptions, { signal, heartbeatMs }),
      });
    }),
    implement(operations.changeStream, async ({ principal, params, body }) =>
      json(200, { subscriptions: [...(await streams.change(principal, params.id, body))] }),
    ),
  ];
}
