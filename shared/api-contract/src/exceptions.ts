import { z } from 'zod';
import { label, reasonText, selectorText, timestamp } from './fields.js';
import { defineOperations, jsonAnswer, type Json } from './operation.js';
import { ASKED_POSTURE as ASKED, packId } from './posture-fields.js';

const exceptionSchema = z
  .object({
    id: z.string(),
    pack: z.string(),
    check: z.string(),
    selector: z.string(),
    scope: z.string().meta({ description: 'The selector joined with that of who made it.' }),
    owner: z.string(),
    reason: z.string(),
    until: timestamp,
    inForce: z.boolean().meta({ description: 'It has not ended.' }),
    createdBy: z.object({ id: z.string(), name: z.string() }),
    createdAt: timestamp,
  })
  .meta({ id: 'Exception', description: 'A check that may fail on some endpoints until a moment, and why.' });

const createSchema = z
  .strictObject({
    pack: packId.meta({ description: 'The id of a pack that is applied.' }),
    check: packId.meta({ description: 'The id of a check in it.' }),
    selector: selectorText
      .default('')
      .meta({ description: 'Where it may fail; `id=…` for one endpoint, empty for all. Not by `mode` or `health`.' }),
    owner: label(200).meta({ description: 'Who answers for it: a person or a team.' }),
    reason: reasonText.meta({ description: 'Why it may fail.' }),
    until: timestamp.meta({ description: 'From then on it counts again. At most two years from now.' }),
  })
  .transform(({ until, ...rest }) => ({ ...rest, untilMs: Date.parse(until) }));

const idParameter = z.object({
  id: z
    .string()
    .regex(/^exc[a-z2-7]{13}$/, 'is not the id of an exception')
    .meta({ description: "The exception's id." }),
});

export const exceptionOperations = defineOperations('exceptions', {
  createException: {
    method: 'post',
    path: '/v1/exceptions',
    action: 'exception.create',
    audited: true,
    summary: 'Accept that a check fails on some endpoints, until a moment',
    description:
      'Scans that end from now on show such failures as excepted, and leave them out of the score and of what `--fail-on` looks at. From its end on they count again.',
    access: 'packs:apply',
    body: createSchema,
    idempotent: true,
    answers: { 201: { ...jsonAnswer('It is in force.', exceptionSchema), headers: { location: 'Where it is.' } } },
    problems: [
      ...(['not_found', 'bad_selector', 'conflict', 'idempotency_mismatch', 'too_large'] as const),
      ...(['unsupported_media_type'] as const),
      ...ASKED,
    ],
  },
  listExceptions: {
    method: 'get',
    path: '/v1/exceptions',
    action: 'exception.list',
    summary: 'Exceptions, those that end first before the others',
    access: 'queries:read',
    query: z.strictObject({
      pack: packId.optional().meta({ description: 'Only those of this pack.' }),
      check: packId.optional().meta({ description: 'Only those of this check.' }),
      ended: z.enum(['include', 'exclude']).default('exclude').meta({ description: 'Whether ended ones are shown.' }),
    }),
    answers: { 200: jsonAnswer('All of them.', z.object({ items: z.array(exceptionSchema) })) },
    problems: ASKED,
  },
  deleteException: {
    method: 'delete',
    path: '/v1/exceptions/{id}',
    action: 'exception.delete',
    audited: true,
    summary: 'End an exception now',
    access: 'packs:apply',
    params: idParameter,
    answers: { 204: { description: 'Scans that end from now on count the check again.' } },
    problems: ['not_found', 'conflict', ...ASKED],
  },
});

export type ExceptionJson = Json<typeof exceptionSchema>;
