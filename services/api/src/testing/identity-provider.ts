import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** As much of `oidc-provider`, which has no types, as is used here. */
interface Provider {
  callback(): (request: IncomingMessage, response: ServerResponse) => void;
  interactionDetails(request: IncomingMessage, response: ServerResponse): Promise<Interaction>;
  interactionFinished(
    request: IncomingMessage,
    response: ServerResponse,
    result: object,
    options: object,
  ): Promise<void>;
  readonly Grant: new (of: object) => Grant;
  proxy: boolean;
}

interface Interaction {
  readonly prompt: { readonly name: string; readonly details: { readonly missingOIDCScope?: string[] } };
  readonly params: { readonly client_id: string };
  readonly session?: { readonly accountId: string };
}

interface Grant {
  addOIDCScope(scope: string): void;
  save(): Promise<string>;
}

const SECRET = 'a-secret-of-the-client-that-is-long-enough';

/** A real OpenID Connect provider, whose people do what the test says instead of filling in forms. */
export class IdentityProvider {
  readonly clientSecret = SECRET;
  /** Who signs in next; `undefined`: they decline. */
  account: { readonly sub: string; readonly claims: Readonly<Record<string, unknown>> } | undefined;
  readonly #accounts = new Map<string, Readonly<Record<string, unknown>>>();
  readonly #server: Server = createServer();
  #provider: Provider | undefined;

  /** `redirectUri` is where it sends browsers back to. */
  async start(redirectUri: string): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const { Provider } = (await import('oidc-provider' as string)) as {
      Provider: new (issuer: string, configuration: object) => Provider;
    };
    // It warns of what is for tests only.
    const warn = globalThis.console.warn.bind(globalThis.console);
    globalThis.console.warn = () => undefined;
    const provider = new Provider(this.issuer, {
      clients: [{ client_id: 'console', client_secret: SECRET, redirect_uris: [redirectUri] }],
      claims: { openid: ['sub'], profile: ['preferred_username', 'groups', 'tenant'] },
      // Claims in the ID token, as other providers have them.
      conformIdTokenClaims: false,
      pkce: { required: () => true },
      features: { devInteractions: { enabled: false } },
      interactions: { url: (_context: unknown, { uid }: { uid: string }) => `/interaction/${uid}` },
      cookies: { keys: ['only for tests'] },
      findAccount: (_context: unknown, sub: string) => ({
        accountId: sub,
        claims: () => ({ sub, ...this.#accounts.get(sub) }),
      }),
    });
    globalThis.console.warn = warn;
    this.#provider = provider;
    const serve = provider.callback();
    this.#server.on('request', (request, response) => {
      if (request.url?.startsWith('/interaction/') === true) void this.#interact(request, response);
      else serve(request, response);
    });
  }

  get issuer(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #interact(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const provider = this.#provider;
    if (provider === undefined) return;
    const { prompt, params, session } = await provider.interactionDetails(request, response);
    let result: object = { error: 'access_denied', error_description: 'they said no' };
    if (this.account !== undefined && prompt.name === 'login') {
      this.#accounts.set(this.account.sub, this.account.claims);
      result = { login: { accountId: this.account.sub } };
    } else if (this.account !== undefined) {
      const grant = new provider.Grant({ accountId: session?.accountId, clientId: params.client_id });
      grant.addOIDCScope('openid profile email');
      result = { consent: { grantId: await grant.save() } };
    }
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
  }
}
