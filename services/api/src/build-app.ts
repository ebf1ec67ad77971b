import { ACTIONS } from '@muster/actions';
import { AuditTrail } from '@muster/audit';
import type { Broker } from '@muster/bus';
import { Directory, DirectoryWriter } from '@muster/directory';
import type { OidcVerifier, RequestSeal } from '@muster/identity';
import type { OrgId } from '@muster/protocol';
import type { Registry } from '@muster/registry';
import type { Clock, Logger, Metrics, Component, Secret, TrustedProxies } from '@muster/runtime';
import { TABLES } from '@muster/tables';
import type { Express } from 'express';
import { agentOperations } from './agents/agent-operations.js';
import { LabelEditor } from './agents/label-editor.js';
import { labelOperations } from './agents/label-operations.js';
import { modeOperation } from './agents/mode-operation.js';
import { ModeOverrides } from './agents/mode-overrides.js';
import { createPresenceMetrics, PresenceReader } from './agents/presence.js';
import { createAuditMetrics } from './audit/audit-metrics.js';
import { auditOperations } from './audit/audit-operations.js';
import { chainOperation } from './audit/chain-operation.js';
import { CredentialVerifier } from './auth/credential-verifier.js';
import { meOperation } from './auth/me-operation.js';
import { RateLimits } from './http/rate-limits.js';
import { TokenStore } from './auth/token-store.js';
import { bandwidthOperations } from './bandwidth/bandwidth-operations.js';
import { actionOperations } from './commands/action-operations.js';
import { CommandClient } from './upstream/command-client.js';
import { commandOperations } from './commands/command-operations.js';
import { CommandStore } from './commands/command-store.js';
import { decideOperations } from './commands/decide-operations.js';
import { commandEventOperation } from './commands/event-operation.js';
import { submitOperations } from './commands/submit-operations.js';
import { createApp } from './http/app.js';
import { given } from './http/json-members.js';
import { Idempotency } from './http/idempotency.js';
import type { Operation } from './http/operation.js';
import { Viewers, type ViewersOptions } from './http/viewers.js';
import { RequestPipeline } from './http/request-pipeline.js';
import { createHttpMetrics } from './http/http-metrics.js';
import { openApiOperation } from './http/openapi-operation.js';
import { QueryClient } from './upstream/query-client.js';
import { queryOperations } from './queries/query-operations.js';
import { QueryStore } from './queries/query-store.js';
import { resultOperations } from './queries/result-operations.js';

import { tableOperations } from './queries/table-operations.js';
import { tokenOperations } from './auth/token-operations.js';

export interface AppOptions {
  readonly broker: Pick<Broker, 'bus' | 'streams'>;
  readonly registry: Pick<Registry, 'lookup' | 'scan' | 'gateways'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly proxies: TrustedProxies;
  readonly oidc?: OidcVerifier;
  /** Seals requests to command services. */
  readonly seal?: RequestSeal;
  readonly bootstrap?: { readonly token: Secret; readonly org: OrgId };
  readonly defaultOrg: OrgId;
  readonly requestRate: number;
  readonly requestBurst: number;
  readonly maxViewers: number;
  /** Intervals of event streams; changed in tests. */
  readonly patience?: Pick<ViewersOptions, 'heartbeatMs' | 'stallMs'> & { readonly inactivityMs?: number };
}

export interface Api {
  readonly app: Express;
  readonly operations: readonly Operation[];
  readonly viewers: Viewers;
  /** What must be started, in this order, before the first request is served. */
  readonly components: Readonly<Record<string, Component>>;
}

/** Builds the stores, the operations and the Express application. */
export function buildApp(options: AppOptions): Api {
  const { clock, logger, defaultOrg } = options;
  const { bus, streams } = options.broker;
  const metrics = createHttpMetrics(options.metrics);
  const directory = new Directory({ streams, logger });
  const tokens = new TokenStore({ streams, logger });
  const store = new QueryStore({ streams, logger, clock });
  const audit = new AuditTrail({ streams, clock, logger, metrics: createAuditMetrics(options.metrics) });
  const client = new QueryClient(bus);
  const presence = new PresenceReader({
    registry: options.registry,
    clock,
    metrics: createPresenceMetrics(options.metrics),
  });
  const byNum = (num: number) => directory.byNum(num);
  const { maxViewers, patience: { inactivityMs = 5_000, ...patience } = {} } = options;
  const viewers = new Viewers({ clock, logger, tokens, metrics, maxViewers, ...patience });
  tokens.onRevoked((tokenId) => viewers.endOfToken(tokenId));
  const selection = { directory, presence };
  const writer = new DirectoryWriter({ streams });
  const commands = {
    store: new CommandStore({ streams, directory }),
    client: new CommandClient({ bus, clock, ...(options.seal === undefined ? {} : { seal: options.seal }) }),
    directory,
  };

  const operations = [
    ...queryOperations({ client, store }),
    ...resultOperations({ store, streams, clock, client, byNum, viewers, inactivityMs }),
    ...actionOperations(ACTIONS),
    ...submitOperations({ ...commands, queries: store, streams, byNum }),
    ...commandOperations(commands),
    ...decideOperations(commands),
    commandEventOperation({ ...commands, clock, viewers }),
    ...agentOperations({ ...selection, writer, clock }),
    ...labelOperations({ ...selection, editor: new LabelEditor({ streams, clock }), clock }),
    modeOperation({ ...selection, overrides: new ModeOverrides({ streams, writer }), clock }),
    ...bandwidthOperations({
      ...selection,
      registry: options.registry,
      bus,
      streams,
      clock,
      client,
      store,
      byNum,
      inactivityMs,
    }),
    ...tableOperations(TABLES),
    ...tokenOperations({ tokens, clock }),
    ...auditOperations({ streams }),
    chainOperation({ streams, clock }),
    meOperation(),
    openApiOperation(),
  ];
  const pipeline = new RequestPipeline({
    authenticator: new CredentialVerifier({
      tokens,
      clock,
      ...given('oidc', options.oidc),
      ...given('bootstrap', options.bootstrap),
    }),
    principalLimits: new RateLimits({ clock, perSecond: options.requestRate, burst: options.requestBurst }),
    failureLimits: new RateLimits({ clock, perSecond: 0.5, burst: 20 }),
    audit,
    idempotency: new Idempotency({ streams, clock }),
    metrics,
    defaultOrg,
  });
  return {
    app: createApp({ operations, pipeline, proxies: options.proxies, metrics, logger }),
    operations,
    viewers,
    components: { audit, directory, tokens, queries: store },
  };
}
