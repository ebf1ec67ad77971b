import { connectNats, createBusMetrics } from '@muster/bus';
import { LIMITS } from '@muster/protocol';
import { STREAMS } from '@muster/records';
import { openRedisRegistry } from '@muster/registry';
import { createHealthServer, systemClock, type ServiceContext } from '@muster/runtime';
import { makeAdmission } from './sessions/admission/make-admission.js';
import { BusDesk } from './bus-desk.js';
import type { GatewayConfig } from './config.js';
import { createGatewayMetrics } from './metrics.js';
import type { SessionNames } from './edge/poll/session-names.js';
import { bodyBytesOf, routeHttp } from './edge/routes.js';
import { drainSessions } from './sessions/drain.js';
import { Hub } from './sessions/hub/hub.js';
import { makeSessions } from './sessions/make-sessions.js';
import type { HandshakeContext } from './sessions/hub/session.js';
import { GatewayTraffic } from './traffic/gateway-traffic.js';
import { createTrafficMetrics } from './traffic/traffic-metrics.js';
import { chooseTransport } from './edge/transport/choose-transport.js';
import type { Transport, TransportHandlers, TransportOptions } from './edge/transport/transport.js';

/** The gateway, part by part, in the order in which they start; they stop in the reverse one. */
export async function buildGateway(config: GatewayConfig, context: ServiceContext): Promise<void> {
  const { logger, metrics, runner } = context;
  const clock = systemClock;
  const broker = await connectNats({ servers: config.natsUrls, name: 'muster gateway', logger });
  runner.defer('broker', () => broker.stop());
  createBusMetrics(metrics, broker.bus);
  const registry = await openRedisRegistry({ url: config.redisUrl, logger });
  runner.defer('registry', () => registry.stop());
  const { bus, streams } = broker;
  await streams.ensure(Object.values(STREAMS));

  const traffic = new GatewayTraffic({ clock, logger });
  createTrafficMetrics(metrics, traffic);
  const hub = new Hub(traffic.frames);
  const draining = (): boolean => runner.state === 'draining' || runner.state === 'stopping';
  const connections = (): number => sessions.frontDesk.connections;
  const counted = createGatewayMetrics(metrics, {
    connections,
    sessions: () => hub.size,
    queries: () => sessions.queries.active,
  });
  const shared = { metrics: counted, clock, logger, draining };
  const admission = makeAdmission(config, {
    ...shared,
    streams,
    connections,
    mayChallenge: (agentId) => sessions.frontDesk.mayChallenge(agentId),
  });
  const sessions = makeSessions(config, hub, {
    ...shared,
    ...admission,
    bus,
    registry,
    traffic,
  });
  const { frontDesk, lease, queries, commands, modes, claims, rotation, polls } = sessions;
  const enrol = traffic.counting((request) => admission.enrolment.handle(request));
  const handlers: TransportHandlers<HandshakeContext> = {
    upgrade: async (request) => admission.admission.decide(request),
    open: (connection, ticket) => frontDesk.opened(connection, ticket),
    message: (connection, data, isBinary) => frontDesk.received(connection, data, isBinary),
    pinged: (connection) => frontDesk.pinged(connection),
    ponged: (connection, data) => frontDesk.ponged(connection, data),
    closed: (connection, code) => frontDesk.closed(connection, code),
    http: (request) => routeHttp(request, { enrol, poll: (poll) => polls.handle(poll), ready: () => runner.ready }),
  };
  const transport = await chooseTransport(config.transport, transportOptions(config, traffic, admission.names), {
    handlers,
    logger,
  });

  runner.go('health', healthServer(config, context, { broker: () => bus.connected }));
  runner.go('audit', admission.audit);
  runner.go('modes', modes.desk);
  runner.go('mode policy', modes.policyFile);
  runner.go('away', modes.away);
  runner.go('overlays', {
    start: () => admission.overrides.start(frontDesk, modes.desk),
    stop: () => admission.overrides.stop(),
  });
  runner.go('lease', lease);
  runner.go('claims', { stop: () => claims.settle() });
  runner.go('queries', queries);
  runner.go('commands', commands);
  runner.go('bus desk', new BusDesk({ bus, queries, checkLease: () => lease.check() }));
  runner.go('rotation', rotation);
  runner.go('front desk', frontDesk);
  runner.go('polls', polls);
  runner.go('transport', {
    ...listener(transport, traffic),
    drain: (signal) => {
      transport.stopListening();
      return drainSessions({ ...config, hub, frontDesk, clock, logger }, signal);
    },
    stop: () => {
      transport.stopListening();
      frontDesk.endAll('goingAway');
      transport.stop();
      return traffic.stop();
    },
  });
}

function listener(transport: Transport, traffic: GatewayTraffic) {
  let port = 0;
  return {
    start: async () => {
      port = await transport.listen();
      await traffic.watch(transport, port);
    },
    ports: () => ({ gateway: port }),
  };
}

function healthServer(
  config: GatewayConfig,
  { metrics, runner }: ServiceContext,
  checks: Parameters<typeof createHealthServer>[0]['checks'] & object,
) {
  const { healthHost: host, healthPort: port } = config;
  return createHealthServer({ host, port, registry: metrics.registry, readiness: runner, checks });
}

function transportOptions(config: GatewayConfig, traffic: GatewayTraffic, names: SessionNames): TransportOptions {
  const { host, port, tlsCertFile: certFile, tlsKeyFile: keyFile, trustedProxies, sessionSilenceMs } = config;
  return {
    host,
    port,
    trustedProxies,
    // The vigil comes first: it ends in order what the transport would only drop.
    silenceMs: Math.max(sessionSilenceMs, 2 * LIMITS.helloDeadlineMs),
    frameBytes: LIMITS.frameBytes,
    bodyBytes: (request) => bodyBytesOf(request, names),
    backpressureBytes: 1024 * 1024,
    traffic: traffic.frames.live,
    ...(certFile === undefined || keyFile === undefined ? {} : { tls: { certFile, keyFile } }),
  };
}
