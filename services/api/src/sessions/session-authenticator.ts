import { personText } from '@muster/api-contract';
import { AppError } from '@muster/protocol';
import type { CredentialVerifier } from '../auth/credential-verifier.js';
import { cookieName, type ClientConnection } from '../http/client-connection.js';
import type { Authenticator, AuthResult, Credentials } from '../http/principal.js';
import type { Sessions } from './sessions.js';

/** Of the console's session, before what {@link cookieName} makes of it. */
export const SESSION_COOKIE = 'muster';

const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD']);

/**
 * Who makes a request: by its `Authorization`, and where it has none by the cookie of a session. A browser sends a cookie with requests
 * that pages of others make, so with one a request must come from the console's own origin, and whatever may change something must be
 * marked. Tabs share a cookie, so a call may say whose session it is meant for.
 */
export class SessionAuthenticator implements Authenticator {
  readonly #verifier: Pick<CredentialVerifier, 'authenticate'>;
  readonly #sessions: Pick<Sessions, 'authenticate'>;

  constructor(verifier: Pick<CredentialVerifier, 'authenticate'>, sessions: Pick<Sessions, 'authenticate'>) {
    this.#verifier = verifier;
    this.#sessions = sessions;
  }

  async authenticate({ authorization, client, method, isMarked, person }: Credentials): Promise<AuthResult> {
    const cookie = client === undefined ? undefined : sessionCookie(client);
    if (authorization !== undefined || client === undefined || cookie === undefined) {
      return this.#verifier.authenticate(authorization);
    }
    if (client.crossSite !== undefined) return crossSite(client.crossSite);
    if (!isMarked && !SAFE_METHODS.has(method)) return crossSite('send the header "Muster-Request: console" with it');
    const result = await this.#sessions.authenticate(cookie);
    return result.ok && person !== undefined && person !== personText(result.principal) ? otherPerson() : result;
  }
}

export function sessionCookie(client: ClientConnection): string | undefined {
  const name = cookieName(client, SESSION_COOKIE);
  return name === undefined ? undefined : client.cookie(name);
}

function otherPerson(): AuthResult & { readonly ok: false } {
  const message = 'somebody else has signed in in this browser since this page was shown; nothing was done';
  return { ok: false, reason: 'other_person', error: new AppError('other_person', message) };
}

function crossSite(message: string): AuthResult & { readonly ok: false } {
  return { ok: false, reason: 'cross_site', error: new AppError('cross_site', message) };
}
