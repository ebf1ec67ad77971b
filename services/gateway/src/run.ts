import { connectNats } from '@muster/bus';
import { DirectoryWriter } from '@muster/directory';
import {
  AgentTokenIssuer,
  AgentTokenVerifier,
  parseEnrollSecrets,
  parseSigningJwks,
  publicJwks,
} from '@muster/identity';
import { LIMITS, STREAMS, type GatewayRequest } from '@muster/protocol';
import { openRedisRegistry } from '@muster/registry';
import { createHealthServer, systemClock, TokenBucket, type ServiceContext } from '@muster/runtime';
import { AuditTrail } from './admission/audit-trail.js';
import { Doorkeeper } from './admission/doorkeeper.js';
import { ENROLL_PATH, Enrolment } from './admission/enrolment.js';
import { Overlays } from './admission/overlays.js';
import { jsonReply, problemReply } from './admission/replies.js';
import { BusDesk } from './bus-desk.js';
import { ClaimQueue } from './claims/claim-queue.js';
import { LeaseKeeper } from './claims/lease-keeper.js';
import { connectionsThatFit, type GatewayConfig } from './config.js';
import { createGatewayMetrics } from './metrics.js';
import { QueryDesk } from './queries/query-desk.js';
import { drainSessions } from './session/drain.js';
import { FrontDesk, orgTopic } from './session/front-desk.js';
import { Hub } from './session/hub.js';
import { reassertSessions } from './session/reassertion.js';
import { Rotation } from './session/rotation.js';
import type { Ticket } from './session/session.js';
import { chooseTransport } from './transport/choose-transport.js';
import type { HttpReply, HttpRequest, TransportHandlers } from './transport/transport.js';

/** The gateway, part by part, in the order in which they start. */
export async function buildGateway(config: GatewayConfig, { log, metrics, runner }: ServiceContext): Promise<void> {
  const clock = systemClock;
  const hub = new Hub();
  let draining = false;
  const isDraining = (): boolean => draining || runner.state === 'draining' || runner.state === 'stopping';

  const broker = await connectNats({ servers: config.natsUrls, name: 'muster gateway', logger: log });
  runner.defer('broker', () => broker.stop());
  const registry = await openRedisRegistry({ url: config.redisUrl, logger: log });
  runner.defer('registry', () => registry.stop());
  const { bus } = broker;
  await broker.log.ensure(Object.values(STREAMS));

  const counted = createGatewayMetrics(metrics, {
    sessions: () => hub.size,
    connections: () => frontDesk.connections,
    queries: () => queries.active,
  });
  const overlays = new Overlays({ log: broker.log, logger: log });
  const directory = new DirectoryWriter({ log: broker.log });
  const audit = new AuditTrail({
    log: broker.log,
    clock,
    logger: log,
    refusals: new TokenBucket({ capacity: 100, refillPerSecond: 10, clock }),
  });
  const { issuer, verifier, secrets } = openKeys(config);

  const lease: LeaseKeeper = new LeaseKeeper({
    bus,
    registry,
    clock,
    logger: log,
    leaseMs: config.leaseMs,
    sessions: () => hub.size,
    draining: isDraining,
    listener: {
      fenced: () => {
        queries.fence();
        frontDesk.endAll('fenced');
      },
      renamed: () => queries.fence(),
      reassert: () => reassertSessions({ registry, hub, frontDesk, gatewayId: lease.id }),
      request: (request) => answerRequest(request, { hub, frontDesk }),
    },
  });
  const gatewayId = () => lease.id;
  const checkLease = (): void => lease.check();
  const queries = new QueryDesk({
    bus,
    hub,
    clock,
    logger: log,
    metrics: counted,
    gatewayId,
    publishToOrg: (org, frame) => transport.publish(orgTopic(org), frame),
    creditBytes: config.answerMemoryBytes,
  });
  const frontDesk: FrontDesk = new FrontDesk({
    hub,
    queries,
    claims: () => claims,
    overlays,
    issuer,
    directory,
    audit,
    bus,
    clock,
    logger: log,
    metrics: counted,
    gatewayId,
    oweReassert: () => lease.oweReassert(),
    checkLease,
    rotateAt: () => rotation.rotateAt(),
  });
  const claims = new ClaimQueue({ registry, gatewayId, listener: frontDesk, clock, logger: log });
  const rotation = new Rotation({ hub, frontDesk, clock, maxAgeMs: config.sessionMaxAgeMs });

  const doorkeeper = new Doorkeeper({
    verifier,
    overlays,
    rate: new TokenBucket({ capacity: config.upgradeBurst, refillPerSecond: config.upgradeRate, clock }),
    clock,
    metrics: counted,
    maxConnections: config.maxConnections ?? connectionsThatFit(),
    connections: () => frontDesk.connections,
    draining: isDraining,
  });
  const enrolment = new Enrolment({
    secrets,
    issuer,
    directory,
    overlays,
    audit,
    rate: new TokenBucket({ capacity: config.enrollBurst, refillPerSecond: config.enrollRate, clock }),
    clock,
    logger: log,
    metrics: counted,
  });
  const handlers: TransportHandlers<Ticket> = {
    upgrade: (request) => Promise.resolve(doorkeeper.decide(request)),
    open: (connection, ticket) => frontDesk.opened(connection, ticket),
    message: (connection, data, isBinary) => frontDesk.received(connection, data, isBinary),
    closed: (connection, code) => frontDesk.closed(connection, code),
    http: (request) => routeHttp(request, { enrolment, ready: () => runner.ready }),
  };
  const transport = await chooseTransport(config.transport, transportOptions(config), { handlers, logger: log });

  runner.go(
    'health',
    createHealthServer({
      host: config.healthHost,
      port: config.healthPort,
      registry: metrics.registry,
      readiness: runner,
      checks: { broker: () => bus.connected },
    }),
  );
  runner.go('overlays', {
    start: () =>
      overlays.start({
        labelsChanged: (org, agentId) => frontDesk.labelsChanged(org, agentId),
        revoked: (org, agentId) => frontDesk.revoked(org, agentId),
      }),
    stop: () => overlays.stop(),
  });
  runner.go('lease', { start: () => lease.start(), stop: () => lease.stop() });
  runner.go('claims', { stop: () => claims.settle() });
  runner.go('queries', { start: () => queries.start(), stop: () => queries.stop() });
  runner.go('bus desk', new BusDesk({ bus, queries, checkLease }));
  const hellos = setInterval(() => frontDesk.endOverdueHellos(), 500);
  runner.defer('hello deadlines', () => clearInterval(hellos));
  runner.go('rotation', rotation);
  let port = 0;
  runner.go('transport', {
    start: async () => {
      port = await transport.listen();
    },
    drain: async (signal) => {
      draining = true;
      transport.stopListening();
      await drainSessions(
        { hub, frontDesk, clock, logger: log, spreadMs: config.drainSpreadMs, graceMs: config.drainGraceMs },
        signal,
      );
    },
    stop: () => {
      transport.stopListening();
      frontDesk.endAll('goingAway');
      transport.stop();
    },
    ports: () => ({ gateway: port }),
  });
}

function openKeys(config: GatewayConfig) {
  const jwks = parseSigningJwks(config.tokenKeys.reveal());
  const secrets = parseEnrollSecrets(config.enrollSecrets.reveal());
  // Checked when the configuration was read.
  if (!jwks.ok || !secrets.ok) throw new TypeError('keys or secrets do not parse');
  return {
    issuer: new AgentTokenIssuer(jwks.jwks),
    verifier: new AgentTokenVerifier(publicJwks(jwks.jwks)),
    secrets: secrets.secrets,
  };
}

function transportOptions(config: GatewayConfig) {
  const { host, port, tlsCertFile: certFile, tlsKeyFile: keyFile, trustedProxies, sessionSilenceMs } = config;
  return {
    host,
    port,
    trustedProxies,
    silenceMs: sessionSilenceMs,
    frameBytes: LIMITS.frameBytes,
    httpBodyBytes: 64 * 1024,
    backpressureBytes: 1024 * 1024,
    ...(certFile === undefined || keyFile === undefined ? {} : { tls: { certFile, keyFile } }),
  };
}

function answerRequest(request: GatewayRequest, { hub, frontDesk }: { hub: Hub; frontDesk: FrontDesk }) {
  switch (request.t) {
    case 'ping':
      return { t: 'ok' } as const;
    case 'superseded':
      frontDesk.superseded(request.agentId, request.epoch);
      return { t: 'ok' } as const;
    case 'holds':
      return { t: 'holds', alive: hub.get(request.agentId)?.epoch === request.epoch } as const;
  }
}

/** Everything that is not an upgrade. The two health paths are for load balancers, which look at the port that they send traffic to. */
function routeHttp(
  request: HttpRequest,
  { enrolment, ready }: { readonly enrolment: Enrolment; readonly ready: () => boolean },
): Promise<HttpReply> {
  switch (request.path) {
    case ENROLL_PATH:
      return enrolment.handle(request);
    case '/healthz':
      return Promise.resolve(jsonReply(200, { alive: true }));
    case '/readyz':
      return Promise.resolve(jsonReply(ready() ? 200 : 503, { ready: ready() }));
    case '/v1/live':
      return Promise.resolve(
        problemReply('upgrade_required', 'this path takes WebSocket upgrades only', {
          upgrade: 'websocket',
          'sec-websocket-protocol': 'muster.v1',
        }),
      );
    default:
      return Promise.resolve(problemReply('not_found', 'no such path on the gateway'));
  }
}
