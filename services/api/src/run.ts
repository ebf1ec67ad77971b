import { createOidcVerifier, RequestSeal, type OidcVerifier } from '@muster/identity';
import type { ServiceContext } from '@muster/runtime';
import { connectService, tlsFiles } from '@muster/service-base';
import { buildApp } from './build-app.js';
import type { ApiConfig } from './config.js';
import { ApiServer } from './http/server.js';

/** The API and its connections, component by component, in the order in which they start. */
export async function buildApi(config: ApiConfig, context: ServiceContext): Promise<void> {
  // Redis is not waited for: without it presence is unknown, and everything else works.
  const base = await connectService(config, context, { registryTimeoutMs: 500 });
  const oidc = oidcVerifier(config);
  const requestKeys = config.commandRequestKey?.reveal().keys;
  const api = buildApp({
    ...base,
    proxies: config.trustedProxies,
    defaultOrg: config.bootstrapOrg,
    requestRate: config.requestRate,
    requestBurst: config.requestBurst,
    maxViewers: config.maxViewers,
    unusedIdentityMs: config.unusedIdentityMs,
    ...(oidc === undefined ? {} : { oidc }),
    ...(requestKeys === undefined ? {} : { seal: new RequestSeal(requestKeys) }),
    ...(config.bootstrapToken === undefined
      ? {}
      : { bootstrap: { token: config.bootstrapToken, org: config.bootstrapOrg } }),
  });

  for (const [name, component] of Object.entries(api.components)) context.runner.go(name, component);
  context.runner.go(
    'http',
    new ApiServer({
      host: config.host,
      port: config.port,
      maxConnections: config.maxConnections,
      handler: api.app,
      onDrain: () => api.viewers.stop(),
      ...tlsFiles(config),
    }),
  );
}

function oidcVerifier(config: ApiConfig): OidcVerifier | undefined {
  const { oidcIssuer: issuer, oidcAudience: audience, oidcJwksUrl: jwksUri, oidcOrg, oidcOrgClaim } = config;
  if (issuer === undefined || audience === undefined || jwksUri === undefined) return undefined;
  return createOidcVerifier({
    issuer,
    audience,
    keys: { jwksUri },
    roleClaim: config.oidcRoleClaim,
    roleMap: config.oidcRoleMap,
    org: oidcOrgClaim === undefined ? { fixed: oidcOrg ?? config.bootstrapOrg } : { claim: oidcOrgClaim },
    ...(config.oidcSelectorClaim === undefined ? {} : { selectorClaim: config.oidcSelectorClaim }),
  });
}
