import { EVENT_TYPES, operations } from '@muster/api-contract';
import type { Directory } from '@muster/directory';
import type { Clock } from '@muster/runtime';
import { implement, json, type Operation } from '../http/operation.js';
import { lastSeen, type Viewers } from '../http/viewers.js';
import { commandEvents } from './command-events.js';
import { visibilityOf } from './command-json.js';
import type { CommandStore } from './command-store.js';

export interface CommandEventParts {
  readonly store: CommandStore;
  readonly directory: Pick<Directory, 'byNum'>;
  readonly clock: Clock;
  readonly viewers: Viewers;
}

/** The event stream of a command. */
export function commandEventOperation({ store, directory, clock, viewers }: CommandEventParts): Operation {
  return implement(operations.streamCommandEvents, async ({ principal, params, query, header, negotiate, signal }) => {
    const type = negotiate(...Object.values(EVENT_TYPES));
    const afterSeq = lastSeen(header('last-event-id'), query.after);
    const journal = await store.findJournal(principal, params.id, signal);
    if (afterSeq > 0) {
      const { endedSeq } = await store.find(principal, params.id, signal);
      if (endedSeq !== undefined && afterSeq >= endedSeq) return json(204);
    }
    const shown = { store, clock, visibility: visibilityOf(principal, directory), detail: query.targets, afterSeq };
    return viewers.answer({
      principal,
      format: type === EVENT_TYPES.sse ? 'sse' : 'ndjson',
      subject: journal.id,
      events: (viewerSignal, heartbeatMs) => commandEvents(journal, { ...shown, signal: viewerSignal, heartbeatMs }),
    });
  });
}
