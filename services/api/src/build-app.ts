import { ACTIONS } from '@muster/actions';
import { AuditTrail } from '@muster/audit';
import type { Broker } from '@muster/bus';
import { Directory, DirectoryWriter } from '@muster/directory';
import type { OidcVerifier, RequestSeal } from '@muster/identity';
import type { OrgId } from '@muster/protocol';
import type { Registry } from '@muster/registry';
import type { Clock, Logger, Metrics, Component, Secret, Tracer, TrustedProxies } from '@muster/runtime';
import { CoordinatorMonitor, interruptOrphan, OrphanReaper, type ServiceBase } from '@muster/service-base';
import { TABLES } from '@muster/tables';
import type { Express } from 'express';
import type { Socket } from 'node:net';
import { agentOperations } from './agents/agent-operations.js';
import { IdentityRetention } from './agents/identity-retention.js';
import { KnownHealth } from './agents/known-health.js';
import { LabelEditor } from './agents/label-editor.js';
import { labelOperations } from './agents/label-operations.js';
import { modeOperation } from './agents/mode-operation.js';
import { ModeOverrides } from './agents/mode-overrides.js';
import { createPresenceMetrics, PresenceReader } from './agents/presence.js';
import { createAuditMetrics } from './audit/audit-metrics.js';
import { auditOperations } from './audit/audit-operations.js';
import { chainOperation } from './audit/chain-operation.js';
import { ignoredRecord } from './audit/ignored-record.js';
import { auditedJournalOperation } from './audit/journal-operation.js';
import { CredentialVerifier } from './auth/credential-verifier.js';
import { meOperation } from './auth/me-operation.js';
import { tokenOperations } from './auth/token-operations.js';
import { TokenStore } from './auth/token-store.js';
import { bandwidthOperations } from './bandwidth/bandwidth-operations.js';
import { actionOperations } from './commands/action-operations.js';
import { commandOperations } from './commands/command-operations.js';
import { CommandStore } from './commands/command-store.js';
import { decideOperations } from './commands/decide-operations.js';
import { commandEventOperation } from './commands/event-operation.js';
import { submitOperations } from './commands/submit-operations.js';
import { createApp } from './http/app.js';
import { createHttpMetrics, type HttpMetrics } from './http/http-metrics.js';
import { Idempotency } from './http/idempotency.js';
import { given } from './http/json-members.js';
import { openApiOperation } from './http/openapi-operation.js';
import type { Operation } from './http/operation.js';
import { RateLimits } from './http/rate-limits.js';
import { RunningCalls } from './http/running-calls.js';
import { RequestPipeline } from './http/request-pipeline.js';
import { Shares, type ShareBounds } from './http/shares.js';
import { Viewers, type ViewersOptions } from './http/viewers.js';
import { healthEventOperation } from './metrics/health-event-operation.js';
import { metricsOperations } from './metrics/metrics-operations.js';
import { telemetryOperations } from './metrics/telemetry-operations.js';
import { WatchHub } from './metrics/watch-hub.js';
import { queryOperations } from './queries/query-operations.js';
import { QueryStore } from './queries/query-store.js';
import { resultOperations } from './queries/result-operations.js';
import { tableOperations } from './queries/table-operations.js';
import { BrokerWatch } from './upstream/broker-watch.js';
import { CommandClient } from './upstream/command-client.js';
import { QueryClient } from './upstream/query-client.js';
import { TelemetryClient } from './upstream/telemetry-client.js';
import { commandServices, queryServices, type UpstreamService } from './upstream/upstream-services.js';
import { DeliveryStore } from './webhooks/delivery-store.js';
import { Destinations } from './webhooks/destination.js';
import { webhookOperations, type WebhookParts } from './webhooks/webhook-operations.js';
import { createWebhookService } from './webhooks/webhook-service.js';
import { WebhookStore } from './webhooks/webhook-store.js';

export interface AppOptions {
  readonly broker: Pick<Broker, 'bus' | 'streams'>;
  /** Tells of records that are left out. */
  readonly authority?: ServiceBase['authority'];
  readonly registry: Pick<Registry, 'lookup' | 'scan' | 'gateways'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
  readonly proxies: TrustedProxies;
  readonly oidc?: OidcVerifier;
  /** Seals requests to command services. */
  readonly seal?: RequestSeal;
  readonly bootstrap?: { readonly token: Secret; readonly org: OrgId };
  /** Its unbounded admins see what is not counted by org. */
  readonly platformOrg: OrgId;
  readonly requestRate: number;
  readonly requestBurst: number;
  /** How many requests may be in progress, event streams among them. */
  readonly requestBounds: ShareBounds;
  /** How many event streams may be open. */
  readonly viewerBounds: ShareBounds;
  /** Called with the connection of each request whose credentials are valid. */
  readonly onAuthenticated?: (socket: Socket) => void;
  /** How long an identity may exist without a single session; 0 keeps such identities. */
  readonly unusedIdentityMs: number;
  /** Inner networks that webhooks may be posted to. */
  readonly webhookNetworks: TrustedProxies;
  /** After how long without a sign another process delivers webhooks; changed in tests. */
  readonly webhookLeaseMs?: number;
  /** How many deliveries of one webhook may be pending; changed in tests. */
  readonly webhookMaxPending?: number;
  /** For how long the stream keeps queries; default: as the stream is defined. */
  readonly queriesKeptForMs?: number;
  /** Intervals of event streams; changed in tests. */
  readonly streamIntervals?: Pick<ViewersOptions, 'heartbeatMs' | 'stallMs'>;
  /** How long a coordinator may be silent before its queries are ended; changed in tests. */
  readonly coordinatorSilenceMs?: number;
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
  const { clock, logger, proxies, viewerBounds: bounds } = options;
  const { streams } = options.broker;
  const metrics = createHttpMetrics(options.metrics);
  const directory = new Directory({ streams, logger });
  const tokens = new TokenStore({ streams, logger });
  const queries = new QueryStore({
    ...{ streams, logger, clock },
    ...(options.queriesKeptForMs === undefined ? {} : { keptForMs: options.queriesKeptForMs }),
  });
  const audit = new AuditTrail({ streams, clock, logger, metrics: createAuditMetrics(options.metrics) });
  options.authority?.onIgnored((record) => audit.recordRateLimited(ignoredRecord(record)));
  const broker = new BrokerWatch({ bus: options.broker.bus, clock });
  const viewers = new Viewers({ clock, logger, tokens, metrics, bounds, broker, ...options.streamIntervals });
  tokens.onRevoked((tokenId) => viewers.endOfToken(tokenId));
  const presence = new PresenceReader({
    ...{ registry: options.registry, clock },
    metrics: createPresenceMetrics(options.metrics),
  });
  const upstream = {
    queryServices: queryServices({ ...options.broker, clock }),
    commandServices: commandServices({ ...options.broker, clock }),
  };
  const telemetry = new TelemetryClient({ ...options.broker, clock });
  const watches = new WatchHub({ ...options.broker, clock, metrics: options.metrics });
  const webhooks = {
    ...{ clock, webhooks: new WebhookStore({ streams, logger }), deliveries: new DeliveryStore(streams) },
    destinations: new Destinations(options.webhookNetworks),
  };
  const operations = createOperations(options, {
    webhooks,
    directory,
    watches,
    telemetry,
    tokens,
    queries,
    viewers,
    presence,
    ...upstream,
  });
  const retention = new IdentityRetention({
    ...{ directory, streams, presence, audit, clock, logger },
    writer: new DirectoryWriter({ streams }),
    metrics: options.metrics,
    unusedMs: options.unusedIdentityMs,
  });
  const calls = new RunningCalls(options.broker.bus);
  const pipeline = createPipeline(options, { tokens, audit, calls, metrics });
  return {
    app: createApp({ operations, pipeline, proxies, metrics, logger }),
    operations,
    viewers,
    components: {
      ...{
        audit,
        directory,
        tokens,
        queries,
        broker,
        ...createReaper(options, queries, broker),
        retention,
        calls,
        watches,
      },
      webhooks: webhooks.webhooks,
      webhookService: createWebhookService({
        ...{ ...webhooks, streams, directory, logger, metrics: options.metrics },
        ...given('leaseMs', options.webhookLeaseMs),
        ...given('maxPending', options.webhookMaxPending),
      }),
      queryServices: upstream.queryServices.heartbeats,
      commandServices: upstream.commandServices.heartbeats,
      telemetryServices: telemetry.heartbeats,
    },
  };
}

/** Ends queries whose coordinator is gone: no query service may be left to do it. */
function createReaper(options: AppOptions, queries: QueryStore, broker: BrokerWatch) {
  const { clock, logger, metrics, tracer, coordinatorSilenceMs } = options;
  const { bus, streams } = options.broker;
  const monitor = new CoordinatorMonitor({ bus, clock });
  const orphans = metrics.counter({
    name: 'muster_api_orphaned_queries_total',
    help: 'Queries found running without a coordinator, by result.',
    labels: ['result'],
    initial: [
      { result: 'interrupted' },
      { result: 'repaired' },
      { result: 'settled' },
      { result: 'alive' },
      { result: 'unavailable' },
    ],
  });
  const reaper = new OrphanReaper({
    ...{ clock, logger, monitor, hears: () => broker.reachable, ...given('silenceMs', coordinatorSilenceMs) },
    running: () => queries.running(),
    interrupt: (orphan) => interruptOrphan({ bus, streams, tracer, nowMs: () => clock.now() }, orphan),
    onResult: (result) => orphans.inc({ result }),
  });
  return { coordinatorMonitor: monitor, orphanReaper: reaper };
}

interface Stores {
  readonly watches: WatchHub;
  readonly telemetry: TelemetryClient;
  readonly webhooks: WebhookParts;
  readonly directory: Directory;
  readonly tokens: TokenStore;
  readonly queries: QueryStore;
  readonly viewers: Viewers;
  readonly presence: PresenceReader;
  readonly queryServices: UpstreamService;
  readonly commandServices: UpstreamService;
}

/** All operations of the contract. */
function createOperations(options: AppOptions, stores: Stores): Operation[] {
  const { registry, clock } = options;
  const { bus, streams } = options.broker;
  const { directory, tokens, queries, viewers, presence, watches } = stores;
  const byNum = (num: number) => directory.byNum(num);
  const writer = new DirectoryWriter({ streams });
  const health = new KnownHealth({ telemetry: stores.telemetry, directory });
  const agents = { directory, presence, health, clock };
  const results = {
    health,
    store: queries,
    streams,
    clock,
    client: new QueryClient({ bus, clock, asker: stores.queryServices.asker }),
    byNum,
  };
  const commands = {
    store: new CommandStore({ streams, directory }),
    client: new CommandClient({ bus, clock, asker: stores.commandServices.asker, ...given('seal', options.seal) }),
    directory,
  };
  return [
    ...queryOperations(results),
    ...resultOperations({ ...results, viewers }),
    ...actionOperations(ACTIONS),
    ...submitOperations({ ...commands, queries, streams, byNum, health }),
    ...commandOperations(commands),
    ...decideOperations(commands),
    commandEventOperation({ ...commands, clock, viewers }),
    ...agentOperations({ ...agents, writer }),
    ...labelOperations({ ...agents, editor: new LabelEditor({ streams, clock }) }),
    modeOperation({ ...agents, overrides: new ModeOverrides({ streams, writer }) }),
    ...bandwidthOperations({ ...agents, ...results, registry, bus }),
    ...metricsOperations({ ...agents, hub: watches, viewers }),
    ...telemetryOperations({ ...agents, telemetry: stores.telemetry }),
    healthEventOperation({ streams, directory, clock, viewers }),
    ...tableOperations(TABLES),
    ...tokenOperations({ tokens, clock }),
    ...webhookOperations(stores.webhooks),
    ...auditOperations({ streams }),
    chainOperation({ streams, clock }),
    auditedJournalOperation({ streams, clock }),
    meOperation(options),
    openApiOperation(),
  ];
}

interface PipelineStores {
  readonly tokens: TokenStore;
  readonly audit: AuditTrail;
  readonly calls: RunningCalls;
  readonly metrics: HttpMetrics;
}

function createPipeline(options: AppOptions, { tokens, audit, calls, metrics }: PipelineStores): RequestPipeline {
  const { clock, tracer, platformOrg, requestRate, requestBurst, oidc, bootstrap } = options;
  return new RequestPipeline({
    authenticator: new CredentialVerifier({
      tokens,
      clock,
      ...given('oidc', oidc),
      ...given('bootstrap', bootstrap),
    }),
    principalLimits: new RateLimits({ clock, perSecond: requestRate, burst: requestBurst }),
    requests: new Shares(options.requestBounds),
    failureLimits: new RateLimits({ clock, perSecond: 0.5, burst: 20 }),
    audit,
    idempotency: new Idempotency({ streams: options.broker.streams, calls, clock }),
    metrics,
    tracer,
    platformOrg,
    ...given('onAuthenticated', options.onAuthenticated),
  });
}
