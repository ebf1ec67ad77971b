import { operations, type SignInWaysJson } from '@muster/api-contract';
import { subjectPerson, type OidcFault } from '@muster/identity';
import { AppError } from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime';
import { cookieName, setCookie, type ClientConnection } from '../http/client-connection.js';
import { given } from '../http/json-members.js';
import { implement, json, type Answer, type Call, type Operation } from '../http/operation.js';
import { withBound, type Principal } from '../http/principal.js';
import { sessionCookie } from '../sessions/session-authenticator.js';
import { fromOf, sessionCookieFor } from '../sessions/session-operations.js';
import type { Sessions } from '../sessions/sessions.js';
import type { OidcClient, OidcRequest } from './oidc-client.js';

export interface OidcParts {
  /** Absent where no provider is configured for signing in. */
  readonly client: OidcClient | undefined;
  readonly issuer: string;
  readonly sessions: Pick<Sessions, 'open' | 'authenticate' | 'reauthenticate'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a browser keeps between the two requests. Its `SameSite` is `Lax`: it must come along when the provider sends the browser back. */
interface Kept extends OidcRequest {
  readonly to: string;
  readonly atMs: number;
  /** The session that goes on. Its cookie does not come along when the provider sends the browser back, and who comes back must own it. */
  readonly session?: string;
}

type SignInFault = 'denied' | 'expired' | 'role' | 'failed' | 'unavailable' | 'other';

const COOKIE = 'muster-login';
const MAX_AGE_MS = 600_000;

/** Signing in to the console at an identity provider. */
export function oidcOperations(parts: OidcParts): Operation[] {
  return [
    implement(operations.startOidc, async ({ query, client, ...call }) => {
      const name = nameFor(client);
      try {
        const provider = required(parts);
        const session = query.again === undefined ? undefined : await sessionOf(parts, client);
        const { url, request } = await provider.begin(session === undefined ? undefined : true);
        const kept: Kept = { ...request, to: query.to, atMs: parts.clock.now(), ...given('session', session) };
        const value = Buffer.from(JSON.stringify(kept)).toString('base64url');
        const cookie = setCookie(client, { name, value, maxAgeMs: MAX_AGE_MS, sameSite: 'Lax' });
        return redirect(url.href, [cookie]);
      } catch (error) {
        if (AppError.is(error)) throw error;
        parts.logger.warn('the identity provider cannot be reached', { requestId: call.requestId, err: error });
        return redirect(signInPage('unavailable'), []);
      }
    }),
    implement(operations.finishOidc, (call) => finish(parts, call as unknown as Call)),
  ];
}

/** How one signs in at this provider; `undefined` where there is none. */
export function waysOf(issuer: string | undefined): SignInWaysJson['oidc'] {
  return issuer === undefined ? undefined : { name: new URL(issuer).host, start: operations.startOidc.path };
}

async function finish(parts: OidcParts, call: Call): Promise<Answer<undefined>> {
  const { client } = call;
  const name = nameFor(client);
  const taken = setCookie(client, { name, value: '', maxAgeMs: 0, sameSite: 'Lax' });
  const refused = (fault: SignInFault, reason: string): Answer<undefined> => {
    call.note({ details: { way: 'oidc', reason } });
    call.refused(reason);
    return redirect(signInPage(fault), [taken]);
  };
  const provider = required(parts);
  const kept = readKept(client.cookie(name), parts.clock.now());
  if (kept === undefined) return refused('expired', 'oidc_no_request');
  const answer = await provider.finish(searchOf(call.query), kept);
  if (!answer.ok) {
    if ('cause' in answer)
      parts.logger.warn('sign-in at the identity provider failed', { reason: answer.reason, err: answer.cause });
    return refused(faultOf(answer.reason), `oidc_${answer.reason}`);
  }
  const person = subjectPerson(parts.issuer, answer.principal.id);
  const principal: Principal | undefined = withBound({ ...answer.principal, person, origin: person });
  if (principal === undefined) return refused('role', 'oidc_bad_selector');
  const { authenticatedAtMs } = answer;
  const opened =
    kept.session === undefined
      ? await parts.sessions.open(principal, 'oidc', fromOf(call), authenticatedAtMs)
      : await parts.sessions.reauthenticate(kept.session, principal, { from: fromOf(call), authenticatedAtMs });
  if (opened === undefined) return refused('other', 'oidc_other_person');
  call.identified(opened.principal);
  const again = kept.session === undefined ? {} : { again: true };
  call.note({ subject: opened.record.id, details: { way: 'oidc', ...again } });
  return redirect(kept.to, [taken, sessionCookieFor(client, opened)]);
}

/** The session of this browser, which goes on when its owner has proved who they are. @throws AppError `unauthenticated` and its like */
async function sessionOf({ sessions }: OidcParts, client: ClientConnection): Promise<string | undefined> {
  const result = await sessions.authenticate(sessionCookie(client) ?? '');
  if (!result.ok) throw result.error;
  return result.principal.sessionId;
}

function required({ client }: OidcParts): OidcClient {
  if (client !== undefined) return client;
  throw new AppError('not_found', 'no identity provider is configured for signing in (MUSTER_OIDC_CLIENT_ID)');
}

function nameFor(client: ClientConnection): string {
  const name = cookieName(client, COOKIE);
  if (name !== undefined) return name;
  throw new AppError(
    'forbidden',
    'signing in needs HTTPS: give the API a certificate, or name the proxy that has one in MUSTER_TRUSTED_PROXIES',
  );
}

function redirect(location: string, cookies: readonly string[]): Answer<undefined> {
  return json<undefined>(302, undefined, { headers: { location }, cookies });
}

const signInPage = (fault: SignInFault): string => `/sign-in?error=${fault}`;

/** A parameter that comes twice is none of the provider's. */
function searchOf(query: Readonly<Record<string, unknown>>): URLSearchParams {
  const pairs = Object.entries(query).filter((pair): pair is [string, string] => typeof pair[1] === 'string');
  return new URLSearchParams(pairs);
}

function readKept(cookie: string | undefined, nowMs: number): Kept | undefined {
  try {
    const kept = JSON.parse(Buffer.from(cookie ?? '', 'base64url').toString()) as Partial<Kept>;
    const { state, nonce, verifier, to, atMs, session } = kept;
    // Without the one, the provider may not have asked; without the other, another session would begin.
    if ((kept.again === true) !== (session !== undefined)) return undefined;
    const isWhole = [state, nonce, verifier, to].every((text) => typeof text === 'string' && text !== '');
    // The path is checked again: a cookie comes from the browser.
    const isPath = operations.startOidc.query.safeParse({ to }).success;
    return isWhole && isPath && typeof atMs === 'number' && nowMs - atMs < MAX_AGE_MS ? (kept as Kept) : undefined;
  } catch {
    return undefined;
  }
}

function faultOf(reason: OidcFault | 'denied' | 'failed' | 'unavailable'): SignInFault {
  if (reason === 'denied' || reason === 'unavailable') return reason;
  return reason === 'unmapped_role' || reason === 'no_org' || reason === 'bad_selector' ? 'role' : 'failed';
}
