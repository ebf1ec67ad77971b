import { connectNats, createBusMetrics } from '@muster/bus';
import { parseSigningJwks } from '@muster/identity';
import { STREAMS } from '@muster/protocol';
import { openRedisRegistry } from '@muster/registry';
import { createHealthServer, systemClock, type ServiceContext } from '@muster/runtime';
import { createCommandService } from './command-service.js';
import type { CommandConfig } from './config.js';
import { CommandKeys } from './signing/command-keys.js';

/** The command service with its brokers and its health port, part by part, in the order in which they start. */
export async function buildCommandService(config: CommandConfig, context: ServiceContext): Promise<void> {
  const { log, metrics, runner } = context;
  const keys = signingKeys(config);
  const broker = await connectNats({ servers: config.natsUrls, name: 'muster command', logger: log });
  runner.defer('broker', () => broker.stop());
  createBusMetrics(metrics, broker.bus);
  const registry = await openRedisRegistry({ url: config.redisUrl, logger: log });
  runner.defer('registry', () => registry.stop());
  await broker.log.ensure(Object.values(STREAMS));

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
    ...{ broker, registry, clock: systemClock, logger: log, metrics, config, keys },
  });
  log.info('command service', { instance });
  for (const [name, part] of parts) runner.go(name, part);
}

function signingKeys({ keys, keyList }: CommandConfig): CommandKeys {
  const parsed = parseSigningJwks(keys.reveal());
  if (!parsed.ok) throw new Error(`MUSTER_COMMAND_KEYS ${parsed.fault}`);
  return new CommandKeys(parsed.jwks, keyList.reveal().trim());
}
