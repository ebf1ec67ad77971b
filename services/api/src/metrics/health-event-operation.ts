import { EVENT_TYPES, operations } from '@muster/api-contract';
import type { StreamStore } from '@muster/bus';
import type { Directory } from '@muster/directory';
import { AppError, parseSelector, type Selector } from '@muster/protocol';
import type { Clock } from '@muster/runtime';
import { implement, type Operation } from '../http/operation.js';
import { lastSeen, type Viewers } from '../http/viewers.js';
import { healthEvents, newestHealth } from './health-events.js';

export interface HealthEventParts {
  readonly streams: StreamStore;
  readonly directory: Pick<Directory, 'byId'>;
  readonly clock: Clock;
  readonly viewers: Viewers;
}

/** The event stream of changes of health. */
export function healthEventOperation({ streams, directory, clock, viewers }: HealthEventParts): Operation {
  return implement(operations.streamHealthEvents, async ({ principal, query, header, negotiate }) => {
    const type = negotiate(...Object.values(EVENT_TYPES));
    const lastId = header('last-event-id');
    const isNew = (lastId === undefined || lastId === '') && query.after === undefined;
    const afterSeq = isNew ? undefined : lastSeen(lastId, query.after);
    const selector = [...readSelector(query.selector), ...principal.bound];
    const place = { org: principal.org, selector, afterSeq, newestSeq: await newestHealth(streams) };
    return viewers.answer({
      principal,
      format: type === EVENT_TYPES.sse ? 'sse' : 'ndjson',
      subject: 'health',
      events: (signal, heartbeatMs) => healthEvents({ streams, directory, clock, ...place, signal, heartbeatMs }),
    });
  });
}

function readSelector(text: string): Selector {
  const parsed = parseSelector(text);
  if (parsed.ok) return parsed.selector;
  throw new AppError('bad_selector', parsed.message, { details: { offset: parsed.offset } });
}
