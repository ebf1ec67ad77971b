import { LIMITS } from '@muster/protocol/vocabulary';
import { z } from 'zod';
import { duration } from './fields.js';
import type { Json } from './operation.js';
import {
  namedGroupSchema,
  namedRowSchema,
  queryFailureSchema,
  querySchema,
  queryWarningSchema,
  rowObject,
} from './query.js';

/** How long the answer to a start may wait for the end. */
export const queryWaitSchema = z.strictObject({
  wait: duration(
    0,
    LIMITS.commandWaitMaxMs,
    'bad_timeout',
    'Answer when the query has ended, or after so long, whichever comes first, with `results`; without it at once.',
  ).optional(),
});

const queryResultsSchema = z
  .object({
    rows: z.array(z.union([namedRowSchema, namedGroupSchema, z.object({ row: rowObject })])).meta({
      description: 'The rows so far, at most 1,000; of a query with `reduce` the rows of that.',
    }),
    nextCursor: z.string().optional().meta({
      description: 'There are more: give it as `cursor` to `/v1/queries/{id}/rows?rows=objects`.',
    }),
    truncated: z.boolean().optional().meta({ description: 'The rows of `reduce` were cut at the limit.' }),
    error: z.string().optional().meta({ description: 'Why `reduce` failed.' }),
    failures: z.array(queryFailureSchema).meta({ description: 'Who did not answer so far, at most 1,000.' }),
    warnings: z.array(queryWarningSchema).meta({ description: 'What answers lack so far, at most 1,000.' }),
  })
  .meta({ id: 'QueryResults' });

export const startedQuerySchema = querySchema
  .extend({ results: queryResultsSchema.optional().meta({ description: 'With `wait` only.' }) })
  .meta({ id: 'StartedQuery' });

export type QueryResultsJson = Json<typeof queryResultsSchema>;
