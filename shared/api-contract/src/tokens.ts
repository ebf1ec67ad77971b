import { ROLES } from '@muster/identity/roles';
import { parseDurationMs } from '@muster/runtime/quantity';
import { z } from 'zod';
import { label, selectorText, timestamp } from './fields.js';
import { defineOperations, jsonAnswer, type Json } from './operation.js';
import { cursorParameter, limitParameter, nextCursor } from './paging.js';

const tokenSchema = z
  .object({
    tokenId: z.string(),
    name: z.string(),
    role: z.enum(ROLES),
    selector: z.string().optional().meta({ description: 'Bounds what the token may see and touch.' }),
    createdBy: z.string().meta({ description: 'The id of who made it.' }),
    createdAt: timestamp,
    expiresAt: timestamp.optional(),
    lastUsedAt: timestamp.optional().meta({ description: 'To the minute.' }),
    revokedAt: timestamp.optional(),
    state: z.enum(['active', 'expired', 'revoked']),
  })
  .meta({ id: 'Token' });

const createdSchema = z
  .object({
    ...tokenSchema.shape,
    token: z.string().optional().meta({
      description:
        'The token itself. It is told this once and kept nowhere: a repeat under the same idempotency key does not have it.',
    }),
  })
  .meta({ id: 'CreatedToken' });

const MAX_LIFE_MS = 10 * 365 * 86_400_000;

const createSchema = z
  .strictObject({
    name: label(100),
    role: z.enum(ROLES),
    selector: selectorText.optional().meta({ description: 'Joined with the bound of who makes the token.' }),
    expiresIn: z
      .string()
      .optional()
      .meta({ description: '`12h`, `90d`; without it or `expiresAt` the token does not expire.' }),
    expiresAt: timestamp.optional(),
  })
  .superRefine(({ expiresIn, expiresAt }, context) => {
    if (expiresIn !== undefined && expiresAt !== undefined) {
      context.addIssue({ code: 'custom', path: ['expiresAt'], message: 'give expiresIn or expiresAt, not both' });
    }
    const lifeMs = expiresIn === undefined ? 1 : (parseDurationMs(expiresIn) ?? 0);
    if (lifeMs <= 0 || lifeMs > MAX_LIFE_MS) {
      context.addIssue({ code: 'custom', path: ['expiresIn'], message: 'must be a duration such as 12h or 90d' });
    }
  });

export const tokenOperations = defineOperations('tokens', {
  listTokens: {
    method: 'get',
    path: '/v1/tokens',
    action: 'token.list',
    summary: 'Operator tokens, without what is secret of them',
    access: 'tokens:manage',
    query: z.strictObject({ limit: limitParameter(100, 1_000), cursor: cursorParameter }),
    answers: {
      200: jsonAnswer(
        'A page, in the order of ids.',
        z.object({ items: z.array(tokenSchema), nextCursor }).meta({ id: 'TokenPage' }),
      ),
    },
    problems: ['bad_cursor'],
  },
  createToken: {
    method: 'post',
    path: '/v1/tokens',
    action: 'token.create',
    audited: true,
    summary: 'Make an operator token',
    access: 'tokens:manage',
    body: createSchema,
    idempotent: true,
    answers: {
      201: {
        description: 'The token.',
        content: { 'application/json': createdSchema },
        headers: { location: 'Where to revoke it.' },
      },
    },
    problems: ['bad_selector', 'conflict', 'idempotency_mismatch', 'too_large', 'unsupported_media_type'],
  },
  revokeToken: {
    method: 'delete',
    path: '/v1/tokens/{id}',
    action: 'token.revoke',
    audited: true,
    summary: 'End a token; ending it twice changes nothing',
    access: 'tokens:manage',
    params: z.object({ id: z.string().regex(/^[a-z2-7]{16}$/, 'is not the id of a token') }),
    answers: { 204: { description: 'It is not valid any more.' } },
    problems: ['not_found'],
  },
});

export type TokenJson = Json<typeof tokenSchema>;
