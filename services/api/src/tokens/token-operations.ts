import { mintOperatorToken, ROLES } from '@muster/identity';
import { AppError, joinSelectors } from '@muster/protocol';
import type { OperatorTokenRecord } from '@muster/records';
import { parseDurationMs, type Clock } from '@muster/runtime';
import { z } from 'zod';
import type { Principal } from '../auth/principal.js';
import type { TokenStore } from '../auth/token-store.js';
import { cursorParameter, decodeCursor, encodeCursor, limitParameter } from '../http/cursor.js';
import { defineOperation, json, type Operation } from '../http/operation.js';
import { label, nextCursor, problems, selectorText, timestamp } from '../http/schemas.js';
import { isoTime } from '../queries/query-json.js';

export interface TokenParts {
  readonly tokens: TokenStore;
  readonly clock: Clock;
}

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

/** Operator tokens. */
export function tokenOperations(parts: TokenParts): Operation[] {
  return [listOperation(parts), createOperation(parts), revokeOperation(parts)];
}

function listOperation({ tokens, clock }: TokenParts): Operation {
  return defineOperation({
    id: 'listTokens',
    method: 'get',
    path: '/v1/tokens',
    tag: 'tokens',
    action: 'token.list',
    summary: 'Operator tokens, without what is secret of them',
    access: 'tokens:manage',
    query: z.strictObject({ limit: limitParameter(100, 1_000), cursor: cursorParameter }),
    responses: {
      200: {
        description: 'A page, in the order of ids.',
        content: {
          'application/json': z.object({ items: z.array(tokenSchema), nextCursor }).meta({ id: 'TokenPage' }),
        },
      },
      ...problems('bad_cursor'),
    },
    handle: ({ principal, query: { limit, cursor } }) => {
      const after = cursor === undefined ? '' : decodeCursor('tokens', cursor, [z.string()])[0];
      const rest = tokens
        .list(principal.org)
        .filter((record) => record.tokenId > after && mayManage(principal, record));
      const page = rest.slice(0, limit);
      const last = page.at(-1);
      return json(200, {
        items: page.map((record) => tokenJson(record, clock.now())),
        ...(rest.length > limit && last !== undefined ? { nextCursor: encodeCursor('tokens', [last.tokenId]) } : {}),
      });
    },
  });
}

function createOperation({ tokens, clock }: TokenParts): Operation {
  return defineOperation({
    id: 'createToken',
    method: 'post',
    path: '/v1/tokens',
    tag: 'tokens',
    action: 'token.create',
    audited: true,
    summary: 'Make an operator token',
    access: 'tokens:manage',
    body: createSchema,
    idempotent: true,
    responses: {
      201: {
        description: 'The token.',
        content: { 'application/json': createdSchema },
        headers: { location: 'Where to revoke it.' },
      },
      ...problems('bad_selector', 'conflict', 'idempotency_mismatch', 'too_large', 'unsupported_media_type'),
    },
    handle: async ({ principal, body, note }) => {
      const nowMs = clock.now();
      const { token, tokenId, hash } = mintOperatorToken();
      const expiresAtMs = expiryOf(body, nowMs);
      if (expiresAtMs !== undefined && expiresAtMs <= nowMs) {
        throw new AppError('bad_request', 'body.expiresAt: is in the past');
      }
      const selector = joinSelectors(body.selector, principal.selector);
      const record: OperatorTokenRecord = {
        tokenId,
        org: principal.org,
        name: body.name,
        role: body.role,
        hash,
        createdBy: principal.id,
        createdAtMs: nowMs,
        ...(selector === '' ? {} : { selector }),
        ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
      };
      note({ subject: tokenId, scope: selector, details: { name: body.name, role: body.role } });
      await tokens.create(record);
      return json(
        201,
        { ...tokenJson(record, nowMs), token },
        {
          headers: { location: `/v1/tokens/${tokenId}` },
          unrepeatable: ['token'],
        },
      );
    },
  });
}

function revokeOperation({ tokens, clock }: TokenParts): Operation {
  return defineOperation({
    id: 'revokeToken',
    method: 'delete',
    path: '/v1/tokens/{id}',
    tag: 'tokens',
    action: 'token.revoke',
    audited: true,
    summary: 'End a token; ending it twice changes nothing',
    access: 'tokens:manage',
    params: z.object({ id: z.string().regex(/^[a-z2-7]{16}$/, 'is not the id of a token') }),
    responses: { 204: { description: 'It is not valid any more.' }, ...problems('not_found') },
    handle: async ({ principal, params, note }) => {
      note({ subject: params.id });
      const known = tokens.find(params.id);
      if (known !== undefined && (known.org !== principal.org || !mayManage(principal, known))) {
        throw new AppError('not_found', `there is no token ${params.id}`);
      }
      await tokens.revoke(principal.org, params.id, clock.now());
      return json(204);
    },
  });
}

/** Whoever is bounded manages only what they made, which is bounded too. */
function mayManage(principal: Principal, record: OperatorTokenRecord): boolean {
  return principal.bound.length === 0 || record.createdBy === principal.id;
}

function expiryOf(body: z.output<typeof createSchema>, nowMs: number): number | undefined {
  if (body.expiresAt !== undefined) return Date.parse(body.expiresAt);
  return body.expiresIn === undefined ? undefined : nowMs + (parseDurationMs(body.expiresIn) ?? 0);
}

function tokenJson(record: OperatorTokenRecord, nowMs: number) {
  const { tokenId, name, role, selector, createdBy, createdAtMs, expiresAtMs, lastUsedAtMs, revokedAtMs } = record;
  const expired = expiresAtMs !== undefined && expiresAtMs <= nowMs;
  return {
    tokenId,
    name,
    role,
    ...(selector === undefined ? {} : { selector }),
    createdBy,
    createdAt: isoTime(createdAtMs),
    ...(expiresAtMs === undefined ? {} : { expiresAt: isoTime(expiresAtMs) }),
    ...(lastUsedAtMs === undefined ? {} : { lastUsedAt: isoTime(lastUsedAtMs) }),
    ...(revokedAtMs === undefined ? {} : { revokedAt: isoTime(revokedAtMs) }),
    state: revokedAtMs !== undefined ? 'revoked' : expired ? 'expired' : 'active',
  };
}
