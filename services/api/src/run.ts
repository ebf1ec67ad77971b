import { createOidcVerifier, RequestSeal, type OidcVerifier } from '@muster/identity';
import { ConnectionGuard, systemClock, type ServiceContext } from '@muster/runtime';
import { ClockSkew, connectionsThatFit, connectService, FollowedCertificate, tlsFiles } from '@muster/service-base';
import { buildApp } from './build-app.js';
import { connectionBounds, requestBounds, viewerBounds, type ApiConfig } from './config.js';
import { given } from './http/json-members.js';
import { ApiServer } from './http/server.js';

/** The API and its connections, component by component, in the order in which they start. */
export async function buildApi(config: ApiConfig, context: ServiceContext): Promise<void> {
  const guard = connectionGuard(config, context);
  // Redis is not waited for: without it presence is unknown, and everything else works.
  const base = await connectService(config, context, {
    registryTimeoutMs: 500,
    checks: { connections: guard.check },
    ...given('recordKeys', config.recordKeys?.reveal().jwks),
  });
  const oidc = oidcVerifier(config);
  const requestKeys = config.commandRequestKey?.reveal().keys;
  const api = buildApp({
    ...base,
    proxies: config.trustedProxies,
    platformOrg: config.platformOrg ?? config.bootstrapOrg,
    requestRate: config.requestRate,
    requestBurst: config.requestBurst,
    unusedIdentityMs: config.unusedIdentityMs,
    webhookNetworks: config.webhookNetworks,
    queriesKeptForMs: config.streamQueriesAgeMs,
    requestBounds: requestBounds(config, connectionsThatFit()),
    viewerBounds: viewerBounds(config),
    onAuthenticated: (socket) => guard.prove(socket),
    ...(oidc === undefined ? {} : { oidc }),
    ...(requestKeys === undefined ? {} : { seal: new RequestSeal(requestKeys) }),
    ...(config.bootstrapToken === undefined
      ? {}
      : { bootstrap: { token: config.bootstrapToken, org: config.bootstrapOrg } }),
  });

  context.runner.go('clock skew', new ClockSkew({ ...base, bus: base.broker.bus }));
  for (const [name, component] of Object.entries(api.components)) context.runner.go(name, component);
  const server = new ApiServer({
    host: config.host,
    port: config.port,
    guard,
    headTimeoutMs: config.headTimeoutMs,
    requestTimeoutMs: config.requestTimeoutMs,
    handler: api.app,
    onDrain: () => api.viewers.stop(),
    ...tlsFiles(config),
  });
  const apply = (): void => server.renewCertificate();
  context.runner.go('http', server);
  context.runner.go('certificate', new FollowedCertificate({ ...base, ...tlsFiles(config), apply }));
}

function connectionGuard(config: ApiConfig, { logger, metrics }: ServiceContext): ConnectionGuard {
  const bounds = connectionBounds(config, connectionsThatFit());
  if (bounds.total < config.maxConnections) {
    const { maxConnections: configured } = config;
    logger.warn('the limit of open files allows fewer connections', { configured, allowed: bounds.total });
  }
  return new ConnectionGuard({
    listener: 'api',
    bounds,
    headTimeoutMs: config.headTimeoutMs,
    proxies: config.trustedProxies,
    clock: systemClock,
    logger,
    metrics,
  });
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
