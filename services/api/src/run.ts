import { operations } from '@muster/api-contract';
import { createOidcVerifier, RequestSeal, type OidcMapping, type OidcVerifier } from '@muster/identity';
import { ConnectionGuard, FollowedFile, systemClock, type ServiceContext } from '@muster/runtime';
import { ClockSkew, connectionsThatFit, connectService, FollowedCertificate, tlsFiles } from '@muster/service-base';
import { AuditHeads } from './audit/audit-heads.js';
import { OPEN_POLICY, parseApiPolicy, Reauthentication } from './auth/reauthentication.js';
import { buildApp } from './build-app.js';
import { connectionBounds, requestBounds, viewerBounds, type ApiConfig } from './config.js';
import { readConsoleFiles } from './console/console-files.js';
import { given } from './http/json-members.js';
import { OidcClient } from './oidc/oidc-client.js';
import { BudgetPolicy } from './queries/budget-policy.js';
import { RetentionPolicy } from './queries/retention-policy.js';
import { TablePolicy } from './queries/table-policy.js';
import { ApiServer } from './http/server.js';

/** The API and its connections, component by component, in the order in which they start. */
export async function buildApi(config: ApiConfig, context: ServiceContext): Promise<void> {
  const guard = connectionGuard(config, context);
  // Redis is not waited for: without it presence is unknown, and everything else works.
  const base = await connectService(config, context, {
    registryTimeoutMs: 500,
    checks: { connections: guard.check },
    recordKeys: config.recordKeys,
  });
  const oidc = oidcVerifier(config);
  const { commandRequestKey: requestKey, bootstrapToken, bootstrapOrg } = config;
  const seal = requestKey === undefined ? undefined : new RequestSeal(requestKey.reveal().keys);
  base.secrets.follow({ requestKey }, ({ requestKey: next }) => {
    if (next !== undefined) seal?.renew(next.keys);
    return undefined;
  });
  const policyFile = new FollowedFile({
    ...{ what: 'API policy (MUSTER_API_POLICY_FILE)', path: config.policyFile, logger: base.logger },
    ...{ clock: systemClock, fallback: OPEN_POLICY, parse: parseApiPolicy },
  });
  context.runner.go('policy file', policyFile);
  const signIn = oidcClient(config);
  const api = buildApp({
    ...base,
    proxies: config.trustedProxies,
    tablePolicy: new TablePolicy(config.tableRules),
    budgetPolicy: new BudgetPolicy(config.budgetRules),
    reauthentication: new Reauthentication({ policy: () => policyFile.value, clock: systemClock }),
    platformOrg: config.platformOrg ?? config.bootstrapOrg,
    sessionIdleMs: config.sessionIdleMs,
    sessionMaxMs: config.sessionMaxMs,
    ...given('consoleFiles', config.consoleDir === undefined ? undefined : readConsoleFiles(config.consoleDir)),
    ...given('publicUrl', config.publicUrl === undefined ? undefined : new URL(config.publicUrl)),
    requestRate: config.requestRate,
    requestBurst: config.requestBurst,
    unusedIdentityMs: config.unusedIdentityMs,
    retention: new RetentionPolicy(config.retentionRules ?? [], config.streamResultsAgeMs),
    webhookNetworks: config.webhookNetworks,
    queriesKeptForMs: config.streamQueriesAgeMs,
    requestBounds: requestBounds(config, connectionsThatFit()),
    viewerBounds: viewerBounds(config),
    onAuthenticated: (socket) => guard.prove(socket),
    ...(oidc === undefined ? {} : { oidc }),
    ...given('oidcSignIn', signIn === undefined ? undefined : { client: signIn, issuer: config.oidcIssuer ?? '' }),
    ...(seal === undefined ? {} : { seal }),
    ...(bootstrapToken === undefined
      ? {}
      : { bootstrap: { token: base.secrets.latest(bootstrapToken), org: bootstrapOrg } }),
  });

  const recordKeys = config.recordKeys === undefined ? undefined : base.secrets.latest(config.recordKeys);
  context.runner.go(
    'audit heads',
    new AuditHeads({
      ...{ ...base, streams: base.broker.streams, everyMs: config.auditHeadsMs, file: config.auditHeadsFile },
      keys: recordKeys === undefined ? undefined : () => recordKeys().jwks,
    }),
  );
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
  const { oidcIssuer: issuer, oidcAudience: audience, oidcJwksUrl: jwksUri } = config;
  if (issuer === undefined || audience === undefined || jwksUri === undefined) return undefined;
  return createOidcVerifier({ issuer, audience, keys: { jwksUri }, ...oidcMapping(config) });
}

/** The client of the same provider, for people who sign in to the console. */
function oidcClient(config: ApiConfig): OidcClient | undefined {
  const { oidcIssuer: issuer, oidcClientId: clientId, oidcClientSecret, oidcScopes: scopes, publicUrl } = config;
  if (issuer === undefined || clientId === undefined || publicUrl === undefined) return undefined;
  return new OidcClient({
    ...{ issuer: new URL(issuer), clientId, scopes, clock: systemClock, mapping: oidcMapping(config) },
    ...given('clientSecret', oidcClientSecret),
    redirectUri: new URL(operations.finishOidc.path, publicUrl),
  });
}

function oidcMapping(config: ApiConfig): OidcMapping {
  const { oidcOrg, oidcOrgClaim, oidcSelectorClaim } = config;
  return {
    roleClaim: config.oidcRoleClaim,
    roleMap: config.oidcRoleMap,
    org: oidcOrgClaim === undefined ? { fixed: oidcOrg ?? config.bootstrapOrg } : { claim: oidcOrgClaim },
    ...given('selectorClaim', oidcSelectorClaim),
  };
}
