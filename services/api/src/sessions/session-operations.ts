import { operations, type SessionJson, type SignInWaysJson } from '@muster/api-contract';
import { AppError, type OrgId } from '@muster/protocol';
import type { SessionRecord } from '@muster/records';
import type { Clock } from '@muster/runtime';
import type { CredentialVerifier } from '../auth/credential-verifier.js';
import { meJson } from '../auth/me-operation.js';
import { cookieName, setCookie, type ClientConnection } from '../http/client-connection.js';
import { given, isoTime } from '../http/json-members.js';
import { implement, json, type Call, type JsonAnswer, type Operation } from '../http/operation.js';
import type { Principal } from '../http/principal.js';
import { SESSION_COOKIE } from './session-authenticator.js';
import { isOwner, type SessionStore } from './session-store.js';
import { authenticatedAt, type OpenedSession, type Sessions, type SignInFrom } from './sessions.js';

export interface SessionParts {
  readonly sessions: Sessions;
  readonly store: SessionStore;
  readonly verifier: Pick<CredentialVerifier, 'authenticate'>;
  readonly platformOrg: OrgId;
  readonly clock: Clock;
  /** The address under which browsers reach the console. */
  readonly publicUrl: URL | undefined;
  readonly oidc: SignInWaysJson['oidc'];
}

/** Signing in to the console by a token or a link, and the sessions that come of it. */
export function sessionOperations(parts: SessionParts): Operation[] {
  const { oidc } = parts;
  return [
    implement(operations.listSignInWays, () => json(200, { token: true, link: true, ...given('oidc', oidc) })),
    signInOperation(parts),
    linkOperation(parts),
    exchangeOperation(parts),
    reauthenticateOperation(parts),
    showOperation(parts),
    signOutOperation(parts),
    listOperation(parts),
    revokeOperation(parts),
  ];
}

function signInOperation(parts: SessionParts): Operation {
  return implement(operations.signIn, async ({ body, ...call }) => {
    checkConnection(call.client);
    // JWTs are not for people to copy, and a session would outlive them.
    const result = body.token.startsWith('mst_')
      ? await parts.verifier.authenticate(`Bearer ${body.token}`)
      : {
          ok: false as const,
          reason: 'malformed',
          error: new AppError('unauthenticated', 'that is no operator token (mst_…)'),
        };
    if (!result.ok) {
      call.note({ details: { way: 'token', reason: result.reason } });
      throw result.error;
    }
    call.identified(result.principal);
    return signedIn(parts, call, await parts.sessions.open(result.principal, 'token', fromOf(call)));
  });
}

function linkOperation({ sessions, publicUrl }: SessionParts): Operation {
  return implement(operations.createSignInLink, async ({ principal, body, ...call }) => {
    const { code, expiresAtMs } = await sessions.makeLink(principal, body.for, fromOf(call));
    // In the fragment, which browsers send to nobody.
    const path = `/sign-in#code=${code}`;
    call.note({ details: { expiresAt: isoTime(expiresAtMs) } });
    return json(201, {
      path,
      ...(publicUrl === undefined ? {} : { url: new URL(path, publicUrl).href }),
      expiresAt: isoTime(expiresAtMs),
    });
  });
}

function exchangeOperation(parts: SessionParts): Operation {
  return implement(operations.exchangeSignInLink, async ({ body, ...call }) => {
    checkConnection(call.client);
    const opened = await parts.sessions.redeem(body.code, fromOf(call));
    if (opened === undefined) {
      call.note({ details: { way: 'link', reason: 'bad_link' } });
      throw new AppError('unauthenticated', 'this link is not valid, was used before, or is too old: make another one');
    }
    call.identified(opened.principal);
    return signedIn(parts, call, opened);
  });
}

function reauthenticateOperation(parts: SessionParts): Operation {
  return implement(operations.reauthenticate, async ({ body, principal, ...call }) => {
    const { sessionId } = principal;
    if (sessionId === undefined) throw new AppError('conflict', 'a token is proven with every call: it has no session');
    call.note({ subject: sessionId });
    const { sessions, verifier } = parts;
    const result = body.token.startsWith('mst_') ? await verifier.authenticate(`Bearer ${body.token}`) : undefined;
    if (result?.ok === false && result.error.retryable) throw result.error;
    const authenticatedAtMs = parts.clock.now();
    const opened =
      result?.ok === true
        ? await sessions.reauthenticate(sessionId, result.principal, { from: fromOf(call), authenticatedAtMs })
        : undefined;
    // Not 401: the session stays as it is.
    if (opened === undefined) throw new AppError('forbidden', 'that is not the token of this session');
    return json(200, currentJson(parts, opened), { cookies: [sessionCookieFor(call.client, opened)] });
  });
}

function showOperation(parts: SessionParts): Operation {
  return implement(operations.showSession, ({ principal }) => {
    const kept = principal.sessionId === undefined ? undefined : parts.store.find(principal.sessionId);
    if (kept === undefined) return json(204);
    // As it is under the cookie that asks, which may be the one before.
    const record = { ...kept.record, ...given('authenticatedAtMs', principal.authenticatedAtMs) };
    return json(200, sessionJson(parts, record, principal));
  });
}

function signOutOperation({ store }: SessionParts): Operation {
  return implement(operations.signOut, async ({ principal, client, note }) => {
    const { sessionId, org } = principal;
    if (sessionId === undefined) return json(204);
    note({ subject: sessionId });
    await store.revoke(org, sessionId);
    const name = cookieName(client, SESSION_COOKIE) ?? SESSION_COOKIE;
    const gone = setCookie(client, { name, value: '', maxAgeMs: 0, sameSite: 'Strict' });
    return json(204, undefined, { cookies: [gone] });
  });
}

function listOperation(parts: SessionParts): Operation {
  const { store, sessions } = parts;
  return implement(operations.listSessions, ({ principal }) => {
    const own = store.ofOwner(principal).map(({ record }) => record);
    const items = own
      .toSorted((a, b) => store.usedAtMs(b) - store.usedAtMs(a))
      .flatMap((record) => {
        const known = sessions.check(record);
        if (!known.ok) return [];
        const isCurrent = record.id === principal.sessionId;
        return [{ ...sessionJson(parts, record, known.principal), ...(isCurrent ? { current: true as const } : {}) }];
      });
    return json(200, { items: items.slice(0, 100) });
  });
}

function revokeOperation({ store }: SessionParts): Operation {
  return implement(operations.revokeSession, async ({ principal, params, note }) => {
    note({ subject: params.id });
    const kept = store.find(params.id) ?? (await store.read(principal.org, params.id));
    const isOwn = kept !== undefined && isOwner(principal, kept.record) && kept.record.isLink !== true;
    if (!isOwn) throw new AppError('not_found', `you have no session ${params.id}`);
    await store.revoke(principal.org, params.id);
    return json(204);
  });
}

type SignInCall = Pick<Call, 'client' | 'from' | 'note'>;

export function fromOf({ from, client }: Pick<Call, 'client' | 'from'>): SignInFrom {
  return { from, userAgent: client.userAgent };
}

/** A session over plain HTTP could be read and used by whoever sees the network. */
export function checkConnection(client: ClientConnection): void {
  if (client.crossSite !== undefined) throw new AppError('cross_site', client.crossSite);
  if (cookieName(client, SESSION_COOKIE) !== undefined) return;
  throw new AppError(
    'forbidden',
    'signing in needs HTTPS: give the API a certificate, or name the proxy that has one in MUSTER_TRUSTED_PROXIES',
  );
}

/** The cookie of a session that has just begun, or goes on under a new one. */
export function sessionCookieFor(client: ClientConnection, { lastsMs, cookie }: OpenedSession): string {
  const name = cookieName(client, SESSION_COOKIE) ?? SESSION_COOKIE;
  return setCookie(client, { name, value: cookie, maxAgeMs: lastsMs, sameSite: 'Strict' });
}

function signedIn(parts: SessionParts, call: SignInCall, opened: OpenedSession): JsonAnswer<SessionJson> {
  const { record } = opened;
  call.note({ subject: record.id, details: { way: record.via } });
  return json(201, currentJson(parts, opened), { cookies: [sessionCookieFor(call.client, opened)] });
}

function currentJson(parts: SessionParts, { record, principal }: OpenedSession): SessionJson {
  return { ...sessionJson(parts, record, principal), current: true };
}

function sessionJson(
  { sessions, store, platformOrg }: SessionParts,
  record: SessionRecord,
  of: Principal,
): SessionJson {
  return {
    id: record.id,
    via: record.via,
    createdAt: isoTime(record.createdAtMs),
    ...(authenticatedAt(record) === 0 ? {} : { authenticatedAt: isoTime(authenticatedAt(record)) }),
    lastUsedAt: isoTime(store.usedAtMs(record)),
    expiresAt: isoTime(sessions.expiresAtMs(record)),
    endsAt: isoTime(record.endsAtMs),
    from: record.from,
    agent: record.userAgent,
    principal: meJson(of, platformOrg),
  };
}
