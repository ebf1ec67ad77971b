import { oidcPrincipal, type OidcMapping, type OidcResult } from '@muster/identity';
import type { Clock, Secret } from '@muster/runtime';
import * as oidc from 'openid-client';

export interface OidcClientOptions {
  /** Its metadata is at `/.well-known/openid-configuration` below it. */
  readonly issuer: URL;
  readonly clientId: string;
  /** Absent for a public client, which has PKCE alone. */
  readonly clientSecret?: Secret;
  /** What is asked for; `openid` must be in it. */
  readonly scopes: string;
  /** Where the provider sends the browser back to. */
  readonly redirectUri: URL;
  /** How claims of the ID token become a principal. */
  readonly mapping: OidcMapping;
  readonly clock: Clock;
}

/** What binds an answer of the provider to the browser that asked. */
export interface OidcRequest {
  readonly state: string;
  readonly nonce: string;
  /** PKCE's (RFC 7636). */
  readonly verifier: string;
  /** The provider was told to ask who it is, whatever it knows already. */
  readonly again?: true;
}

export type OidcAnswer =
  /** `authenticatedAtMs`: when the provider last asked who it is; 0 where it does not say. */
  | (OidcResult & { readonly ok: true } & { readonly authenticatedAtMs: number })
  | (OidcResult & { readonly ok: false })
  /** `denied`: the provider says no. `failed`: its answer is not one to this request. `unavailable`: it cannot be reached. */
  | { readonly ok: false; readonly reason: 'denied' | 'failed' | 'unavailable'; readonly cause: unknown };

const TIMEOUT_S = 10;
/** Who was told to sign in again has done so this long ago at most when they come back. */
const AGAIN_MAX_S = 120;
/** Metadata and keys of the provider are read anew after this time. */
const FRESH_MS = 600_000;

/** The code flow of OpenID Connect with PKCE, at one provider. */
export class OidcClient {
  readonly #options: OidcClientOptions;
  #known: { readonly atMs: number; readonly configuration: Promise<oidc.Configuration> } | undefined;

  constructor(options: OidcClientOptions) {
    this.#options = options;
  }

  /** The address to send a browser to, and what its cookie must keep. Rejects when the provider cannot be reached. */
  async begin(again?: true): Promise<{ readonly url: URL; readonly request: OidcRequest }> {
    const { redirectUri, scopes } = this.#options;
    const configuration = await this.#configuration();
    const request = {
      state: oidc.randomState(),
      nonce: oidc.randomNonce(),
      verifier: oidc.randomPKCECodeVerifier(),
      ...(again === undefined ? {} : { again }),
    };
    const url = oidc.buildAuthorizationUrl(configuration, {
      redirect_uri: redirectUri.href,
      scope: scopes,
      state: request.state,
      nonce: request.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(request.verifier),
      code_challenge_method: 'S256',
      // OpenID Connect Core 1.0 §3.1.2.1: with `max_age` it must say when it asked, so that it cannot be left out.
      ...(again === undefined ? {} : { prompt: 'login', max_age: '0' }),
    });
    return { url, request };
  }

  /** Who the provider says has come back, with `search` as their query string. Never rejects. */
  async finish(search: URLSearchParams, { state, nonce, verifier, again }: OidcRequest): Promise<OidcAnswer> {
    const url = new URL(this.#options.redirectUri);
    url.search = search.toString();
    try {
      const tokens = await oidc.authorizationCodeGrant(await this.#configuration(), url, {
        ...{ expectedState: state, expectedNonce: nonce, pkceCodeVerifier: verifier, idTokenExpected: true },
        ...(again === undefined ? {} : { maxAge: AGAIN_MAX_S }),
      });
      const claims = tokens.claims();
      if (claims === undefined) return { ok: false, reason: 'failed', cause: new Error('no ID token') };
      const result = oidcPrincipal({ ...claims }, this.#options.mapping);
      if (!result.ok) return result;
      // By a clock that is ahead of this one's, a sign-in would stay recent for longer than the policy says.
      const authenticatedAtMs = Math.min((claims.auth_time ?? 0) * 1_000, this.#options.clock.now());
      return { ...result, authenticatedAtMs };
    } catch (cause) {
      return { ok: false, reason: reasonOf(cause), cause };
    }
  }

  #configuration(): Promise<oidc.Configuration> {
    const nowMs = this.#options.clock.monotonic();
    if (this.#known !== undefined && nowMs - this.#known.atMs < FRESH_MS) return this.#known.configuration;
    const known = { atMs: nowMs, configuration: this.#discover() };
    this.#known = known;
    known.configuration.catch(() => {
      if (this.#known === known) this.#known = undefined;
    });
    return known.configuration;
  }

  async #discover(): Promise<oidc.Configuration> {
    const { issuer, clientId, clientSecret } = this.#options;
    const authentication = clientSecret === undefined ? oidc.None() : oidc.ClientSecretBasic(clientSecret.reveal());
    return await oidc.discovery(issuer, clientId, undefined, authentication, {
      timeout: TIMEOUT_S,
      // The signature of the ID token is checked besides the TLS of the provider.
      execute: [oidc.enableNonRepudiationChecks, ...(issuer.protocol === 'http:' ? [oidc.allowInsecureRequests] : [])],
    });
  }
}

function reasonOf(cause: unknown): 'denied' | 'failed' | 'unavailable' {
  if (cause instanceof oidc.AuthorizationResponseError) return 'denied';
  if (cause instanceof oidc.ResponseBodyError) return cause.status >= 500 ? 'unavailable' : 'failed';
  return [cause, (cause as Failure).cause].some(isUnreachable) ? 'unavailable' : 'failed';
}

interface Failure {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly cause?: unknown;
}

/**
 * `fetch` throws a TypeError whose cause says why; an answer that is none of the protocol comes from something in front of the provider.
 */
function isUnreachable(error: unknown): boolean {
  const { name, code, cause } = (error ?? {}) as Failure;
  if (name === 'TypeError') return cause !== undefined;
  return code === 'OAUTH_TIMEOUT' || code === 'OAUTH_RESPONSE_IS_NOT_CONFORM';
}
