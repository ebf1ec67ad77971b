import { connectNats, createBusMetrics } from '@muster/bus';
import { STREAMS } from '@muster/records';
import { openRedisRegistry } from '@muster/registry';
import { createHealthServer, systemClock, type ServiceContext } from '@muster/runtime';
import { createOidcVerifier, parseRequestKeys, RequestSeal, type OidcVerifier } from '@muster/identity';
import { buildApp } from './build-app.js';
import type { ApiConfig } from './config.js';
import { ApiServer } from './http/server.js';

/** The API, part by part, in the order in which they start. */
export async function buildApi(config: ApiConfig, { logger, metrics, runner }: ServiceContext): Promise<void> {
  const broker = await connectNats({ servers: config.natsUrls, name: 'muster api', logger });
  runner.defer('broker', () => broker.stop());
  createBusMetrics(metrics, broker.bus);
  // Not waited for: without it presence is unknown, and everything else works.
  const registry = await openRedisRegistry({ url: config.redisUrl, logger, startTimeoutMs: 500 });
  runner.defer('registry', () => registry.stop());
  await broker.streams.ensure(Object.values(STREAMS));

  const oidc = oidcVerifier(config);
  const seal = requestSeal(config);
  const api = buildApp({
    broker,
    registry,
    clock: systemClock,
    logger,
    metrics,
    proxies: config.trustedProxies,
    defaultOrg: config.bootstrapOrg,
    requestRate: config.requestRate,
    requestBurst: config.requestBurst,
    maxViewers: config.maxViewers,
    ...(oidc === undefined ? {} : { oidc }),
    ...(seal === undefined ? {} : { seal }),
    ...(config.bootstrapToken === undefined
      ? {}
      : { bootstrap: { token: config.bootstrapToken, org: config.bootstrapOrg } }),
  });

  runner.go(
    'health',
    createHealthServer({
      host: config.healthHost,
      port: config.healthPort,
      registry: metrics.registry,
      readiness: runner,
      checks: { broker: () => broker.bus.connected },
    }),
  );
  for (const [name, part] of Object.entries(api.parts)) runner.go(name, part);
  const { tlsCertFile: certFile, tlsKeyFile: keyFile } = config;
  runner.go(
    'http',
    new ApiServer({
      host: config.host,
      port: config.port,
      maxConnections: config.maxConnections,
      handler: api.app,
      onDrain: () => api.viewers.stop(),
      ...(certFile === undefined || keyFile === undefined ? {} : { tls: { certFile, keyFile } }),
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

function requestSeal({ commandRequestKey }: ApiConfig): RequestSeal | undefined {
  if (commandRequestKey === undefined) return undefined;
  const parsed = parseRequestKeys(commandRequestKey.reveal());
  if (!parsed.ok) throw new Error(`MUSTER_COMMAND_REQUEST_KEY ${parsed.fault}`);
  return new RequestSeal(parsed.keys);
}
