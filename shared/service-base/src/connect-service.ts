import { connectNats, createBusMetrics, StreamError, type Broker, type StreamDefinition } from '@muster/bus';
import type { PrivateJwks } from '@muster/identity';
import { createRegistryMetrics, openRedisRegistry, type Registry } from '@muster/registry';
import {
  createHealthServer,
  sleep,
  systemClock,
  type Check,
  type Clock,
  type Logger,
  type Metrics,
  type Secret,
  type ServiceContext,
  type Tracer,
} from '@muster/runtime';
import { BrokerLatency } from './broker-latency.js';
import { natsAddress, redisUrlFor } from './broker-urls.js';
import { brokerUse, streamsFor } from './broker-use.js';
import type { ServiceConfig } from './common-fields.js';
import { Dependencies } from './dependencies.js';
import { FollowedSecrets } from './followed-secrets.js';
import { StorageWatch } from './storage-watch.js';
import { needsRoom } from './stream-definitions.js';
import { RecordAuthority } from './records/record-authority.js';

/** What every service is built from. */
export interface ServiceBase {
  /** Its streams hold only what {@link RecordAuthority} believes. */
  readonly broker: Broker;
  readonly authority: Pick<RecordAuthority, 'onIgnored'>;
  readonly registry: Registry;
  /** Tells who uses a secret that its file has changed. */
  readonly secrets: Pick<FollowedSecrets, 'follow' | 'latest'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly tracer: Tracer;
}

export interface ConnectOptions {
  /** How long to wait for Redis before the service starts without it; default 5,000. */
  readonly registryTimeoutMs?: number;
  /** What `/readyz` checks besides the broker. */
  readonly checks?: Readonly<Record<string, Check>>;
  /** The keys that sign records which decide rights, for APIs. */
  readonly recordKeys?: Secret<{ readonly jwks: PrivateJwks }> | undefined;
}

const RETRY_MS = 500;
/** A stream that `muster-setup` makes comes soon, at the first start of all. */
const EXPECT_MS = 100;
/** What is still read is logged so often. */
const PROGRESS_MS = 5_000;

/**
 * Starts the health server, then connects to broker and registry, and creates the streams or waits for them. What the
 * service registers afterwards starts later and stops earlier.
 *
 * It waits for the broker for ever, because a service that ends takes its health port with it: `/readyz` and the log say what it waits
 * for, also where the broker refuses it. It does not wait long for Redis: every service works without it, by broadcast.
 *
 * The service is ready when its components run and the broker is connected.
 * @throws NatsUnreachableError when it is stopped before there is a broker.
 */
export async function connectService(
  config: ServiceConfig,
  { name, logger, metrics, tracer, runner }: ServiceContext,
  { registryTimeoutMs, checks = {}, recordKeys }: ConnectOptions = {},
): Promise<ServiceBase> {
  const dependencies = new Dependencies(config);
  const secrets = new FollowedSecrets({ clock: systemClock, logger, metrics });
  runner.go(
    'health',
    createHealthServer({
      host: config.healthHost,
      port: config.healthPort,
      metrics,
      logger,
      readiness: runner,
      checks: {
        broker: () => dependencies.broker(),
        registry: () => dependencies.registry(),
        streams: () => dependencies.streams(),
        ...checks,
      },
    }),
  );
  // From the start: the brokers may refuse a password that is mended meanwhile.
  runner.go('secrets', secrets);
  await runner.start();
  const authority = new RecordAuthority({
    ...{ publicKeys: config.recordPublicKeys?.reveal().jwks, privateKeys: recordKeys?.reveal().jwks },
    ...{ unsigned: config.unsignedRecords ?? 'accept', logger, metrics },
  });
  secrets.follow({ publicKeys: config.recordPublicKeys, privateKeys: recordKeys }, ({ publicKeys, privateKeys }) =>
    authority.renew({ publicKeys: publicKeys?.jwks, privateKeys: privateKeys?.jwks }),
  );
  const connected = await connectNats({
    ...natsAddress(config, name),
    ...(config.natsPassword === undefined ? {} : { password: secrets.latest(config.natsPassword) }),
    name: `muster ${name}`,
    ...brokerUse(name, config.natsRights),
    logger,
    startTimeoutMs: Number.POSITIVE_INFINITY,
    signal: runner.stopSignal,
    onWaiting: (why) => dependencies.waitFor(why),
  });
  runner.defer('broker', () => connected.stop());
  const broker: Broker = { ...connected, streams: authority.streams(connected.streams) };
  dependencies.found({ broker });
  createBusMetrics(metrics, broker.bus);
  const registryMetrics = createRegistryMetrics(metrics, () => dependencies.registry() === true);
  const registry = await openRedisRegistry({
    url: redisUrlFor(config),
    ca: config.redisCa?.reveal(),
    ...(config.redisPassword === undefined ? {} : { password: secrets.latest(config.redisPassword) }),
    logger,
    metrics: registryMetrics,
    ...(registryTimeoutMs === undefined ? {} : { startTimeoutMs: registryTimeoutMs }),
  });
  runner.defer('registry', () => registry.stop());
  dependencies.found({ registry });
  await createStreams(broker, dependencies, {
    streams: streamsFor(name, config),
    logger,
    signal: runner.stopSignal,
  });
  const progress = setInterval(() => dependencies.logProgress(logger), PROGRESS_MS);
  runner.defer('progress', () => clearInterval(progress));
  const { storageLimitBytes: limitBytes, streamReplicas: replicas } = config;
  const watch = { streams: broker.streams, registry, limitBytes, replicas };
  runner.go('storage watch', new StorageWatch({ ...watch, clock: systemClock, logger, metrics }));
  runner.go('broker latency', new BrokerLatency({ bus: broker.bus, clock: systemClock, metrics }));
  return { broker, authority, registry, secrets, clock: systemClock, logger, metrics, tracer };
}

interface CreateStreamsOptions {
  readonly streams: readonly StreamDefinition[];
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Tries until they exist: JetStream may still be starting, be switched off, or have no room. */
async function createStreams(
  broker: Broker,
  dependencies: Dependencies,
  { streams, logger, signal }: CreateStreamsOptions,
): Promise<void> {
  dependencies.waitFor('creating its streams');
  let logged = '';
  for (;;) {
    try {
      await broker.streams.ensure(streams, { timeoutMs: 0 });
      return dependencies.waitFor(undefined);
    } catch (error) {
      if (!(error instanceof StreamError) || signal.aborted) throw error;
      const reason = error.code === 'storage_full' ? `${error.message} (${needsRoom(streams)})` : error.message;
      dependencies.waitFor(reason);
      if (reason !== logged) logger.warn('waiting for the streams', { reason });
      logged = reason;
      await sleep(systemClock, streams.every(({ expected }) => expected) ? EXPECT_MS : RETRY_MS, signal);
    }
  }
}
