import { connectNats, createBusMetrics } from '@muster/bus';
import { parseRequestKeys, parseSigningJwks, RequestSeal } from '@muster/identity';
import { STREAMS } from '@muster/records';
import { openRedisRegistry } from '@muster/registry';
import { createHealthServer, systemClock, type ServiceContext } from '@muster/runtime';
import { createCommandService } from './command-service.js';
import type { CommandConfig } from './config.js';
import { CommandKeys } from './signing/command-keys.js';

/** The command service with its brokers and its health port, part by part, in the order in which they start. */
export async function buildCommandService(config: CommandConfig, context: ServiceContext): Promise<void> {
  const { logger, metrics, runner } = context;
  const keys = signingKeys(config);
  const seal = requestSeal(config);
  if (seal === undefined) {
    logger.warn(
      'orders are taken from whoever reaches the broker; set MUSTER_COMMAND_REQUEST_KEY here and on every api',
    );
  }
  const broker = await connectNats({ servers: config.natsUrls, name: 'muster command', logger });
  runner.defer('broker', () => broker.stop());
  createBusMetrics(metrics, broker.bus);
  const registry = await openRedisRegistry({ url: config.redisUrl, logger });
  runner.defer('registry', () => registry.stop());
  await broker.streams.ensure(Object.values(STREAMS));

  runner.go(
    'health',
    createHealthServer({
      host: config.healthHost,
      port: config.healthPort,
      registry: metrics.registry,
      readiness: runner,
      // Redis is not asked for: without it commands still go out, by broadcast.
      checks: { broker: () => broker.bus.connected },
    }),
  );
  const { instance, parts } = createCommandService({
    ...{ broker, registry, clock: systemClock, logger, metrics, config, keys },
    ...(seal === undefined ? {} : { seal }),
  });
  logger.info('command service', { instance });
  for (const [name, part] of parts) runner.go(name, part);
}

function signingKeys({ keys, keyList }: CommandConfig): CommandKeys {
  const parsed = parseSigningJwks(keys.reveal());
  if (!parsed.ok) throw new Error(`MUSTER_COMMAND_KEYS ${parsed.fault}`);
  return new CommandKeys(parsed.jwks, keyList.reveal().trim());
}

function requestSeal({ requestKey }: CommandConfig): RequestSeal | undefined {
  if (requestKey === undefined) return undefined;
  const parsed = parseRequestKeys(requestKey.reveal());
  if (!parsed.ok) throw new Error(`MUSTER_COMMAND_REQUEST_KEY ${parsed.fault}`);
  return new RequestSeal(parsed.keys);
}
