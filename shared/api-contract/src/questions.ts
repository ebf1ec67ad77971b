import { isSqlParameterName, LIMITS } from '@muster/protocol/vocabulary';
import { z } from 'zod';
import { count, label, selectorText, timestamp } from './fields.js';
import { defineOperations, jsonAnswer, type BodyOf, type Json } from './operation.js';
import { cursorParameter, limitParameter, nextCursor } from './paging.js';
import { isTimeout, sqlText, TIMEOUT_FAULT } from './query.js';
import { readSqlParameters, sqlParameterValue, type SqlParameterJson } from './sql-parameters.js';

/** How a parameter's text is read, and of what kind its default is. */
export const QUESTION_PARAMETER_TYPES = ['text', 'integer', 'number', 'boolean', 'blob', 'list', 'null'] as const;
export type QuestionParameterType = (typeof QUESTION_PARAMETER_TYPES)[number];

/** Names of saved questions; the files of a folder are named so too. */
export const QUESTION_NAME = /^[a-z0-9][a-z0-9-]{0,99}$/;

const parameterSchema = z
  .strictObject({
    name: z.string().refine(isSqlParameterName, 'is not the name of a parameter'),
    type: z.enum(QUESTION_PARAMETER_TYPES),
    default: sqlParameterValue.optional().meta({
      description: 'As in `parameters` of `POST /v1/queries`. Absent: who asks must give a value.',
    }),
    description: label(500).optional(),
  })
  .superRefine((given, context) => {
    if (given.default === undefined || isOfType(given.type, given.default)) return;
    context.addIssue({ code: 'custom', message: `is no value of the type ${given.type}`, path: ['default'] });
  })
  .meta({ id: 'QuestionParameter' });

function isOfType(type: QuestionParameterType, value: SqlParameterJson): boolean {
  const has = (key: string): boolean => typeof value === 'object' && value !== null && key in value;
  switch (type) {
    case 'text':
      return typeof value === 'string';
    case 'integer':
      return Number.isSafeInteger(value) || has('$integer');
    case 'number':
      return typeof value === 'number' || has('$number');
    case 'boolean':
      return typeof value === 'boolean';
    case 'blob':
      return has('$blob');
    case 'list':
      return Array.isArray(value);
    case 'null':
      return value === null;
  }
}

const tag = z.string().regex(/^[A-Za-z0-9][\w.-]{0,49}$/, 'must be a word of letters, digits, ".", "-" and "_"');

const contents = {
  sql: sqlText.meta({ description: 'One SELECT, as for `POST /v1/queries`. It is compiled when it is asked.' }),
  description: label(2_000).optional(),
  tags: z.array(tag).max(20).default([]),
  parameters: z.array(parameterSchema).max(LIMITS.sqlParameters).default([]),
  target: selectorText.optional().meta({ description: 'The selector where who asks gives none.' }),
  mode: z.enum(['raw', 'group']).default('raw'),
  reduce: sqlText.optional(),
  timeoutMs: z
    .number()
    .refine(isTimeout, { error: TIMEOUT_FAULT, params: { code: 'bad_timeout' } })
    .optional(),
};

const putSchema = z
  .strictObject({
    version: count.meta({
      description: 'The version that is changed: 0 for a new question. Another one is there: 409, with who made it.',
    }),
    ...contents,
  })
  .superRefine(({ tags, parameters }, context) => {
    const fault = (field: string, message: string): void =>
      context.addIssue({ code: 'custom', message, path: [field] });
    if (new Set(tags).size !== tags.length) fault('tags', 'must not hold a tag twice');
    if (new Set(parameters.map(({ name }) => name)).size !== parameters.length)
      fault('parameters', 'must not hold a parameter twice');
    const defaults = parameters.flatMap((one) => (one.default === undefined ? [] : [[one.name, one.default] as const]));
    const bound = readSqlParameters(Object.fromEntries(defaults)).fault;
    if (bound !== undefined) fault('parameters', [...bound.path, bound.message].join(': '));
  });

const personSchema = z.object({ id: z.string(), name: z.string() });

const questionSchema = z
  .object({
    name: z.string(),
    version: count,
    ...contents,
    sql: z.string().meta({ description: 'Empty where it was deleted.' }),
    owner: personSchema.meta({ description: 'Who made it.' }),
    createdAt: timestamp,
    changedBy: personSchema,
    changedAt: timestamp,
    deleted: z.literal(true).optional().meta({ description: 'Only among versions: it was deleted then.' }),
  })
  .meta({ id: 'Question' });

const nameParameter = z.object({ name: z.string().regex(QUESTION_NAME, 'is not the name of a question') });

const versionText = z
  .string()
  .regex(/^\d{1,9}$/, 'must be a version')
  .transform(Number);

export const questionOperations = defineOperations('questions', {
  listQuestions: {
    method: 'get',
    path: '/v1/questions',
    action: 'question.list',
    summary: 'The saved questions of the org',
    description:
      'The library belongs to the whole org: a selector that bounds a token bounds what it asks, not what it reads here.',
    access: 'questions:read',
    query: z.strictObject({
      tag: tag.optional().meta({ description: 'Only questions with this tag.' }),
      limit: limitParameter(100, 1_000),
      cursor: cursorParameter,
    }),
    answers: {
      200: jsonAnswer(
        'A page, in the order of names.',
        z.object({ items: z.array(questionSchema), nextCursor }).meta({ id: 'QuestionPage' }),
      ),
    },
    problems: ['bad_cursor'],
  },
  showQuestion: {
    method: 'get',
    path: '/v1/questions/{name}',
    action: 'question.show',
    summary: 'One saved question',
    access: 'questions:read',
    params: nameParameter,
    answers: { 200: jsonAnswer('The newest version.', questionSchema) },
    problems: ['not_found'],
  },
  listQuestionVersions: {
    method: 'get',
    path: '/v1/questions/{name}/versions',
    action: 'question.versions',
    summary: 'The last 20 versions of a saved question, newest first',
    access: 'questions:read',
    params: nameParameter,
    answers: {
      200: jsonAnswer('The versions.', z.object({ items: z.array(questionSchema) }).meta({ id: 'QuestionVersions' })),
    },
    problems: ['not_found'],
  },
  putQuestion: {
    method: 'put',
    path: '/v1/questions/{name}',
    action: 'question.put',
    audited: true,
    summary: 'Save a question, or change one',
    description:
      'The body is the whole question. Analysts and responders change their own, admins all; with a bounded token only one’s own.',
    access: 'questions:write',
    params: nameParameter,
    body: putSchema,
    idempotent: true,
    answers: {
      200: jsonAnswer('The new version; the old one where nothing differs.', questionSchema),
      201: {
        description: 'It is new.',
        content: { 'application/json': questionSchema },
        headers: { location: 'Where it is.' },
      },
    },
    problems: [
      'bad_selector',
      'bad_timeout',
      'not_found',
      'conflict',
      'idempotency_mismatch',
      'sql_error',
      'sql_too_long',
      'too_large',
      'unsupported_media_type',
    ],
  },
  deleteQuestion: {
    method: 'delete',
    path: '/v1/questions/{name}',
    action: 'question.delete',
    audited: true,
    summary:
      'Delete a saved question; its last versions stay readable, of the 200 questions of the org that were deleted last',
    access: 'questions:write',
    params: nameParameter,
    query: z.strictObject({
      version: versionText.optional().meta({ description: 'Only if this is its version.' }),
    }),
    answers: { 204: { description: 'It is not asked by its name any more.' } },
    problems: ['not_found', 'conflict'],
  },
});

export type QuestionJson = Json<typeof questionSchema>;
export type QuestionBody = BodyOf<(typeof questionOperations)['putQuestion']>;
export type QuestionParameterJson = QuestionJson['parameters'][number];
