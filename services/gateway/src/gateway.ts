import { DirectoryWriter } from '@muster/directory';
import { AgentTokenIssuer, AgentTokenVerifier, publicJwks } from '@muster/identity';
import { LIMITS } from '@muster/protocol';
import type { Component } from '@muster/runtime';
import {
  connectionsThatFit,
  serviceVersion,
  tlsFiles,
  type ServiceBase,
  type ServiceConfig,
} from '@muster/service-base';
import { CommandHandler } from './capabilities/commands/command-handler.js';
import { MetricsHandler } from './capabilities/metrics/metrics-handler.js';
import { ModeHandler } from './capabilities/modes/mode-handler.js';
import { QueryHandler } from './capabilities/queries/query-handler.js';
import type { GatewayConfig } from './config.js';
import { Enrolment } from './edge/enrolment.js';
import { EnrolmentLimits } from './edge/enrolment-limits.js';
import { LiveUpgrade } from './edge/live-upgrade.js';
import { PollHandler } from './edge/poll/poll-handler.js';
import { SessionNames } from './edge/poll/session-names.js';
import { bodyBytesOf, routeHttp } from './edge/routes.js';
import type { Transport, TransportHandlers, TransportOptions } from './edge/transport/transport.js';
import type { Capability } from './foundation/capability.js';
import { EnrolledIdentities } from './foundation/enrolled-identities.js';
import { GatewayIdentity } from './foundation/gateway-identity.js';
import { LeaseClock } from './foundation/lease-clock.js';
import { GatewayInbox } from './foundation/gateway-inbox.js';
import { IdentityView } from './foundation/identity-view.js';
import { OperatorOverrides } from './foundation/operator-overrides.js';
import type { SecretUsers } from './follow-secrets.js';
import { AdmissionControl } from './sessions/admission/admission-control.js';
import { DenialAuditor } from './sessions/admission/denial-auditor.js';
import { Handshake } from './sessions/admission/handshake.js';
import { drainSessions } from './sessions/drain.js';
import type { HandshakeContext } from './sessions/hub/session.js';
import { Hub } from './sessions/hub/hub.js';
import { SessionTable } from './sessions/hub/session-table.js';
import { heartbeatsFor } from './sessions/liveness-monitor.js';
import { returnSpread } from './sessions/return-spread.js';
import { DuplicateIdentityReporter } from './sessions/registration/duplicate-identity-reporter.js';
import { FirstSessionRecorder } from './sessions/registration/first-session-recorder.js';
import { LeaseRenewer } from './sessions/registration/lease-renewer.js';
import { RegistrationQueue } from './sessions/registration/registration-queue.js';
import { SuccessorLookup } from './sessions/registration/successor-lookup.js';
import { SessionManager } from './sessions/session-manager.js';
import { GatewayTraffic } from './traffic/gateway-traffic.js';
import { createTrafficMetrics } from './traffic/traffic-metrics.js';

export interface GatewayDeps extends Pick<
  ServiceBase,
  'broker' | 'registry' | 'clock' | 'logger' | 'metrics' | 'tracer'
> {
  readonly config: Omit<GatewayConfig, keyof ServiceConfig>;
  /** How far the process is in its life. */
  readonly life: { readonly draining: () => boolean; readonly ready: () => boolean };
  readonly openTransport: (
    options: TransportOptions,
    handlers: TransportHandlers<HandshakeContext>,
  ) => Promise<Transport>;
}

export interface Gateway {
  readonly transport: Transport;
  /** Who takes keys and enrolment secrets when their files change. */
  readonly secretUsers: SecretUsers;
  /** In the order in which they start. */
  readonly components: readonly (readonly [name: string, component: Component])[];
}

/**
 * The gateway, floor by floor, from the lowest one up: each part knows only what was made before it. Components start in the order in which
 * they are registered, and stop in the reverse one.
 */
export async function createGateway(deps: GatewayDeps): Promise<Gateway> {
  const { broker, config, life, openTransport, ...service } = deps;
  const { clock, logger, metrics } = service;
  const { bus, streams } = broker;
  const { draining } = life;

  // Foundation
  const { jwks } = config.tokenKeys.reveal();
  const issuer = new AgentTokenIssuer(jwks);
  const directory = new DirectoryWriter({ streams });
  const records = new IdentityView({ streams, logger });
  const overrides = new OperatorOverrides(records);
  const identities = new EnrolledIdentities({ records, clock });
  identities.listen(overrides);
  identities.onEnrolled((org, agentId, record) => overrides.enrolled(org, agentId, record));
  const auditor = new DenialAuditor({ streams, clock, logger, metrics });
  const traffic = new GatewayTraffic({ clock, logger });
  createTrafficMetrics(metrics, traffic);
  const identity = new GatewayIdentity({ clock, logger, leaseMs: config.leaseMs });
  const inbox = new GatewayInbox({ bus, identity, logger });
  inbox.on('traffic', () => traffic.report());
  const hub = new Hub(traffic.frames);
  const base = {
    ...service,
    clock: new LeaseClock(clock, identity),
    bus,
    hub,
    identity,
    inbox,
    overrides,
    identities,
    directory,
    auditor,
    issuer,
  };

  // Capabilities
  const capabilities: readonly Capability[] = [
    new QueryHandler({
      ...base,
      successors: new SuccessorLookup(base),
      creditBytes: config.answerMemoryBytes,
      huntRate: config.huntRate,
    }),
    new CommandHandler(base),
    new ModeHandler({ ...base, policyFile: config.modePolicyFile }),
    new MetricsHandler({ ...base, policyFile: config.metricsPolicyFile }),
  ];

  // Sessions
  const table = new SessionTable(config.maxConnections ?? connectionsThatFit());
  const duplicates = new DuplicateIdentityReporter(base);
  const registrations = new RegistrationQueue({ ...base, duplicates });
  const lease = new LeaseRenewer({ ...base, registrations, draining });
  const sessions = new SessionManager({
    ...{ ...base, table, registrations, capabilities },
    handshake: new Handshake({ ...base, capabilities }),
    firstSessions: new FirstSessionRecorder(base),
    heartbeats: heartbeatsFor(config.sessionSilenceMs),
    returnSpreadMs: () => returnSpread(hub.size, config.upgradeRate),
    maxAgeMs: config.sessionMaxAgeMs,
  });
  const verifier = new AgentTokenVerifier(publicJwks(jwks));
  const admission = new AdmissionControl({
    ...{ ...base, table, draining, verifier },
    upgradeRate: config.upgradeRate,
    upgradeBurst: config.upgradeBurst,
  });

  // Edge
  const names = new SessionNames(jwks);
  const polls = new PollHandler({ ...base, names, admission, sessions, traffic: traffic.frames.poll });
  const { secrets: enrolSecrets } = config.enrollSecrets.reveal();
  const enrolment = new Enrolment({
    ...{ ...base, traffic: traffic.frames, secrets: enrolSecrets },
    commandRoots: config.commandRoots?.reveal().jwks.keys ?? [],
    limits: new EnrolmentLimits({ ...base, ...config, secrets: enrolSecrets }),
  });
  inbox.on('about', ({ org }) => ({ t: 'about', version: serviceVersion(), secrets: enrolment.secretsOf(org) }));
  const upgrade = new LiveUpgrade({ admission, metrics, draining });
  const transport = await openTransport(transportOptions(config, traffic, names), {
    upgrade: async (request) => upgrade.decide(request),
    http: (request) => routeHttp(request, { enrolment, polls, ...life }),
    connections: sessions,
  });
  const drain = (signal: AbortSignal) => drainSessions({ ...config, hub, sessions, clock, logger }, signal);

  return {
    transport,
    secretUsers: { issuer, verifier, names, enrolment },
    components: [
      ['auditor', auditor],
      ['identity records', records],
      ['inbox', inbox],
      ['lease', lease],
      ['registrations', registrations],
      ...capabilities.map((capability) => [capability.name, capability] as const),
      ['sessions', sessions],
      ['polls', polls],
      ['transport', transportComponent(transport, { sessions, traffic, drain })],
    ],
  };
}

interface TransportWork {
  readonly sessions: Pick<SessionManager, 'endAll'>;
  readonly traffic: GatewayTraffic;
  readonly drain: (signal: AbortSignal) => Promise<void>;
}

function transportComponent(transport: Transport, { sessions, traffic, drain }: TransportWork): Component {
  let port = 0;
  return {
    start: async () => {
      port = await transport.listen();
      await traffic.watch(transport, port);
    },
    ports: () => ({ gateway: port }),
    // It listens on: load balancers must hear 503 from `/readyz`. One that finds the port closed cuts the sessions that have yet to move.
    drain,
    stop: () => {
      transport.stopListening();
      sessions.endAll('goingAway');
      transport.stop();
      return traffic.stop();
    },
  };
}

function transportOptions(
  config: GatewayDeps['config'],
  traffic: GatewayTraffic,
  names: SessionNames,
): TransportOptions {
  const { host, port, trustedProxies, sessionSilenceMs } = config;
  return {
    ...{ host, port, trustedProxies, ...tlsFiles(config) },
    // The liveness monitor comes first: it closes with a reason what the transport would only drop.
    silenceMs: Math.max(sessionSilenceMs, 2 * LIMITS.helloDeadlineMs),
    frameBytes: LIMITS.frameBytes,
    bodyBytes: (request) => bodyBytesOf(request, names),
    backpressureBytes: 1024 * 1024,
    traffic: traffic.frames.live,
  };
}
