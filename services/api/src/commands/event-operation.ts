import type { Directory } from '@muster/directory';
import type { Clock } from '@muster/runtime';
import { z } from 'zod';
import { afterParameter } from '../http/cursor.js';
import { defineOperation, json, type Answer, type Operation } from '../http/operation.js';
import { problems } from '../http/schemas.js';
import { EVENT_TYPES, lastSeen, type Viewers } from '../http/viewers.js';
import { commandEvents, TARGET_DETAIL } from './command-events.js';
import { sightOf } from './command-json.js';
import { commandEventSchema, commandIdParameter } from './command-schemas.js';
import type { CommandStore } from './command-store.js';

export interface CommandEventParts {
  readonly store: CommandStore;
  readonly directory: Pick<Directory, 'byNum'>;
  readonly clock: Clock;
  readonly viewers: Viewers;
}

/** What becomes of a command, as it comes. */
export function commandEventOperation({ store, directory, clock, viewers }: CommandEventParts): Operation {
  return defineOperation({
    id: 'streamCommandEvents',
    method: 'get',
    path: '/v1/commands/{id}/events',
    tag: 'commands',
    action: 'command.events',
    summary: 'Everything that happens to a command, as it happens',
    description:
      'Server-sent events, or one JSON object per line with `Accept: application/x-ndjson`: `command` (it is submitted, approved, goes on, is ' +
      'cancelled), `targets` (how some of them fare), `ledger`, and `ended`, after which the stream ends. A reader who was cut off goes on ' +
      'with `Last-Event-ID` or `after`; some of the last events may then come again. When there is nothing more, the answer is 204. A command ' +
      'whose endpoints are away may say nothing for as long as it lasts; heartbeats tell that the connection lives.',
    access: 'commands:read',
    params: commandIdParameter,
    query: z.strictObject({
      after: afterParameter,
      targets: z.enum(TARGET_DETAIL).default('settled').meta({
        description: 'Which targets to tell of: those that settle, all whose state changes, or none.',
      }),
    }),
    headers: { 'Last-Event-ID': 'The id of the last event that was seen.' },
    responses: {
      200: {
        description: 'Events. In `text/event-stream`, `data` is the same object as a line of `application/x-ndjson`.',
        content: { 'text/event-stream': undefined, 'application/x-ndjson': commandEventSchema },
      },
      204: { description: 'The command has ended, and there is no later event.' },
      ...problems('not_found', 'not_acceptable', 'draining'),
    },
    handle: async ({ principal, params, query, header, negotiate, signal }): Promise<Answer> => {
      const type = negotiate(...Object.values(EVENT_TYPES));
      const afterSeq = lastSeen(header('last-event-id'), query.after);
      const journal = await store.findJournal(principal, params.id, signal);
      if (afterSeq > 0) {
        const { endedSeq } = await store.find(principal, params.id, signal);
        if (endedSeq !== undefined && afterSeq >= endedSeq) return json(204);
      }
      const shown = { store, clock, sight: sightOf(principal, directory), detail: query.targets, afterSeq };
      return viewers.answer({
        principal,
        format: type === EVENT_TYPES.sse ? 'sse' : 'ndjson',
        subject: journal.id,
        events: (gone, heartbeatMs) => commandEvents(journal, { ...shown, signal: gone, heartbeatMs }),
      });
    },
  });
}
