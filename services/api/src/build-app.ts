import { AuditTrail } from '@muster/audit';
import { Directory, DirectoryWriter } from '@muster/directory';
import { PresenceDoubt } from '@muster/registry';
import type { Component } from '@muster/runtime';
import { CoordinatorMonitor, interruptOrphan, OrphanReaper, PeerClocks, SteadyClock } from '@muster/service-base';
import { STREAMS } from '@muster/records';
import type { Express } from 'express';
import { FleetCounter } from './agents/fleet-counter.js';
import { IdentityRetention } from './agents/identity-retention.js';
import { KnownHealth } from './agents/known-health.js';
import { createPresenceMetrics, PresenceReader } from './agents/presence.js';
import { createAuditMetrics } from './audit/audit-metrics.js';
import { ignoredRecord } from './audit/ignored-record.js';
import { CredentialVerifier } from './auth/credential-verifier.js';
import { OPEN_POLICY, Reauthentication } from './auth/reauthentication.js';
import { TokenStore } from './auth/token-store.js';
import { serveConsole } from './console/serve-console.js';
import { createApp } from './http/app.js';
import { createHttpMetrics, type HttpMetrics } from './http/http-metrics.js';
import { Idempotency } from './http/idempotency.js';
import { given } from './http/json-members.js';
import type { Operation } from './http/operation.js';
import { RateLimits } from './http/rate-limits.js';
import { RunningCalls } from './http/running-calls.js';
import { RequestPipeline } from './http/request-pipeline.js';
import { StandstillGate } from './http/standstill-gate.js';
import { Shares } from './http/shares.js';
import { Viewers } from './http/viewers.js';
import { WatchHub } from './metrics/watch-hub.js';
import { QueryStore } from './queries/query-store.js';
import { ResultRetention } from './queries/result-retention.js';
import { RetentionPolicy } from './queries/retention-policy.js';
import { QuestionStore } from './questions/question-store.js';
import { TablePolicy } from './queries/table-policy.js';
import { createSignIn } from './sessions/create-sign-in.js';
import type { SessionAuthenticator } from './sessions/session-authenticator.js';
import { createOpenStreams } from './stream/create-open-streams.js';
import { BrokerWatch } from './upstream/broker-watch.js';
import { TelemetryClient } from './upstream/telemetry-client.js';
import { commandServices, postureServices, queryServices } from './upstream/upstream-services.js';
import { DeliveryStore } from './webhooks/delivery-store.js';
import { Destinations } from './webhooks/destination.js';
import { createWebhookService } from './webhooks/webhook-service.js';
import { WebhookStore } from './webhooks/webhook-store.js';
import type { AppOptions } from './app-options.js';
import { createOperations } from './create-operations.js';

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
  const questions = new QuestionStore({ streams, logger });
  const policy = options.tablePolicy ?? new TablePolicy();
  const queries = new QueryStore({
    ...{ streams, logger, clock, policy },
    ...(options.queriesKeptForMs === undefined ? {} : { keptForMs: options.queriesKeptForMs }),
  });
  const audit = new AuditTrail({ streams, clock, logger, metrics: createAuditMetrics(options.metrics) });
  options.authority?.onIgnored((record) => audit.recordRateLimited(ignoredRecord(record)));
  const broker = new BrokerWatch({ bus: options.broker.bus, clock });
  const verifier = new CredentialVerifier({
    ...{ tokens, clock, ...given('oidc', options.oidc), ...given('bootstrap', options.bootstrap) },
  });
  const signIn = createSignIn({ ...options, streams, verifier });
  const { sessions } = signIn;
  const viewers = new Viewers({ clock, logger, tokens, sessions, metrics, bounds, broker, ...options.streamIntervals });
  tokens.onRevoked((tokenId) => viewers.endOfToken(tokenId));
  signIn.store.onRevoked((sessionId) => viewers.endOfSession(sessionId));
  const doubt = new PresenceDoubt({ registry: options.registry, clock, heardForMs: () => broker.answersForMs });
  const presence = new PresenceReader({
    ...{ registry: options.registry, clock, doubt },
    metrics: createPresenceMetrics(options.metrics),
  });
  const upstream = {
    queryServices: queryServices({ ...options.broker, clock }),
    commandServices: commandServices({ ...options.broker, clock }),
    postureServices: postureServices({ ...options.broker, clock }),
  };
  const telemetry = new TelemetryClient({ ...options.broker, clock });
  const watches = new WatchHub({ ...options.broker, clock, metrics: options.metrics });
  const webhooks = {
    ...{ clock, webhooks: new WebhookStore({ streams, logger }), deliveries: new DeliveryStore(streams) },
    destinations: new Destinations(options.webhookNetworks),
  };
  const health = new KnownHealth({ telemetry, directory });
  const fleet = new FleetCounter({ directory, presence, health, clock });
  const openStreams = createOpenStreams({
    ...{ broker: options.broker, clock, logger, bounds, directory, presence, health, queries, watches, audit, fleet },
  });
  const reauthentication = options.reauthentication ?? new Reauthentication({ policy: () => OPEN_POLICY, clock });
  const operations = createOperations(options, {
    reauthentication,
    health,
    fleet,
    webhooks,
    policy,
    questions,
    directory,
    watches,
    telemetry,
    tokens,
    queries,
    viewers,
    presence,
    doubt,
    brokerWatch: broker,
    signIn,
    openStreams,
    ...upstream,
  });
  const peers = new PeerClocks({ bus: options.broker.bus, clock, self: '', kinds: ['query', 'command', 'posture'] });
  const steady = new SteadyClock({ clock, peers, logger });
  const retention = new IdentityRetention({
    ...{ directory, streams, presence, audit, clock: steady, logger },
    writer: new DirectoryWriter({ streams }),
    metrics: options.metrics,
    unusedMs: options.unusedIdentityMs,
  });
  const results = new ResultRetention({
    ...{ queries, streams, audit, clock: steady, logger, metrics: options.metrics },
    policy: options.retention ?? new RetentionPolicy([], STREAMS.results.maxAgeMs),
  });
  const views = [directory, tokens, signIn.store, queries, questions, webhooks.webhooks];
  const gate = new StandstillGate({ views, clock, logger });
  const calls = new RunningCalls(options.broker.bus);
  const pipeline = createPipeline(options, {
    ...{ authenticator: signIn.authenticator, reauthentication, audit, calls, metrics, steady },
  });
  return {
    app: createApp({
      ...{ operations, pipeline, proxies, metrics, logger, gate: gate.handler },
      ...(options.consoleFiles === undefined ? {} : { console: serveConsole(options.consoleFiles) }),
    }),
    operations,
    viewers,
    components: {
      ...{
        doubt,
        audit,
        directory,
        tokens,
        sessions: signIn.store,
        queries,
        broker,
        ...createReaper(options, queries, broker),
        peerClocks: peers,
        steadyClock: steady,
        retention,
        resultRetention: results,
        calls,
        watches,
        openStreams,
        gate,
      },
      questions,
      webhooks: webhooks.webhooks,
      webhookService: createWebhookService({
        ...{ ...webhooks, streams, directory, logger, metrics: options.metrics },
        ...given('leaseMs', options.webhookLeaseMs),
        ...given('maxPending', options.webhookMaxPending),
      }),
      queryServices: upstream.queryServices.heartbeats,
      commandServices: upstream.commandServices.heartbeats,
      postureServices: upstream.postureServices.heartbeats,
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
    // Query services go on with hunts; nobody else can.
    running: () => [...queries.running()].filter(({ record }) => record.hunt === undefined),
    interrupt: (orphan) => interruptOrphan({ bus, streams, tracer, nowMs: () => clock.now() }, orphan),
    onResult: (result) => orphans.inc({ result }),
  });
  return { coordinatorMonitor: monitor, orphanReaper: reaper };
}

interface PipelineStores {
  readonly authenticator: SessionAuthenticator;
  readonly reauthentication: Reauthentication;
  readonly audit: AuditTrail;
  readonly steady: SteadyClock;
  readonly calls: RunningCalls;
  readonly metrics: HttpMetrics;
}

function createPipeline(
  options: AppOptions,
  { authenticator, reauthentication, audit, calls, metrics, steady }: PipelineStores,
): RequestPipeline {
  const { clock, tracer, platformOrg, requestRate, requestBurst } = options;
  return new RequestPipeline({
    authenticator,
    reauthentication,
    principalLimits: new RateLimits({ clock, perSecond: requestRate, burst: requestBurst }),
    requests: new Shares(options.requestBounds),
    failureLimits: new RateLimits({ clock, perSecond: 0.5, burst: 20 }),
    audit,
    idempotency: new Idempotency({ streams: options.broker.streams, calls, clock: steady }),
    metrics,
    tracer,
    clock,
    platformOrg,
    ...given('onAuthenticated', options.onAuthenticated),
  });
}
