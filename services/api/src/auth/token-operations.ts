import { operations, type TokenJson } from '@muster/api-contract';
import { BOOTSTRAP, mintOperatorToken, tokenPerson } from '@muster/identity';
import { AppError, joinSelectors } from '@muster/protocol';
import type { OperatorTokenRecord } from '@muster/records';
import { parseDurationMs, type Clock } from '@muster/runtime';
import type { z } from 'zod';
import type { Principal } from '../http/principal.js';
import type { TokenStore } from './token-store.js';
import { decodeCursor, encodeCursor, idPosition } from '../http/cursor.js';
import { isoTime } from '../http/json-members.js';
import { implement, json, type Operation } from '../http/operation.js';
import { checkSteady } from '../http/steady-selector.js';

export interface TokenParts {
  readonly tokens: TokenStore;
  readonly clock: Clock;
}

/** Operator tokens. */
export function tokenOperations(parts: TokenParts): Operation[] {
  return [listOperation(parts), createOperation(parts), revokeOperation(parts)];
}

function listOperation({ tokens, clock }: TokenParts): Operation {
  return implement(operations.listTokens, ({ principal, query: { limit, cursor } }) => {
    const after = cursor === undefined ? '' : decodeCursor('tokens', cursor, [idPosition])[0];
    const rest = tokens.list(principal.org).filter((record) => record.tokenId > after && mayManage(principal, record));
    const page = rest.slice(0, limit);
    const last = page.at(-1);
    return json(200, {
      items: page.map((record) => tokenJson(record, clock.now())),
      ...(rest.length > limit && last !== undefined ? { nextCursor: encodeCursor('tokens', [last.tokenId]) } : {}),
    });
  });
}

function createOperation({ tokens, clock }: TokenParts): Operation {
  return implement(operations.createToken, async ({ principal, body, note }) => {
    const nowMs = clock.now();
    const { token, tokenId, hash } = mintOperatorToken();
    const expiresAtMs = expiryOf(body, nowMs);
    if (expiresAtMs !== undefined && expiresAtMs <= nowMs) {
      throw new AppError('bad_request', 'body.expiresAt: is in the past');
    }
    const selector = joinSelectors(body.selector, principal.selector);
    checkSteady(selector);
    const record: OperatorTokenRecord = {
      tokenId,
      org: principal.org,
      name: body.name,
      role: body.role,
      hash,
      createdBy: principal.id,
      creator: creatorOf(principal),
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
  });
}

function revokeOperation({ tokens, clock }: TokenParts): Operation {
  return implement(operations.revokeToken, async ({ principal, params, note }) => {
    note({ subject: params.id });
    const known = tokens.find(params.id);
    if (known !== undefined && (known.org !== principal.org || !mayManage(principal, known))) {
      throw new AppError('not_found', `there is no token ${params.id}`);
    }
    await tokens.revoke(principal.org, params.id, clock.now());
    return json(204);
  });
}

/** A bounded principal manages only the tokens that they created; those are bounded too. */
function mayManage(principal: Principal, record: OperatorTokenRecord): boolean {
  if (principal.bound.length === 0) return true;
  return record.createdBy === principal.id && (record.creator ?? creatorOf(principal)) === creatorOf(principal);
}

/** The maker of a token is a token or a person: the line of makers leads from it to the person. */
function creatorOf({ kind, id, person }: Principal): string {
  return kind === 'oidc' || person === BOOTSTRAP ? person : tokenPerson(id);
}

function expiryOf(body: z.output<typeof operations.createToken.body>, nowMs: number): number | undefined {
  if (body.expiresAt !== undefined) return Date.parse(body.expiresAt);
  return body.expiresIn === undefined ? undefined : nowMs + (parseDurationMs(body.expiresIn) ?? 0);
}

function tokenJson(record: OperatorTokenRecord, nowMs: number): TokenJson {
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
