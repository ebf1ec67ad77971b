import { NO_TRACER, silentLogger, type Component, type Logger, type Metrics } from '@muster/runtime';
import type { NatsServer } from '../brokers/nats-server.js';
import { connectSimulated } from '../brokers/connect-simulated.js';
import type { RedisServer } from '../brokers/redis-server.js';
import { SimulatedRegistry } from '../brokers/simulated-registry.js';
import { ProcessClock } from '../world/process-clock.js';
import type { SimulatedProcess, World } from '../world/world.js';

/** The brokers that all nodes share. */
export interface Brokers {
  readonly nats: NatsServer;
  readonly redis: RedisServer;
}

/** What every service is made of, for one life of a process. */
export function parts(world: World, process: SimulatedProcess, { nats, redis }: Brokers) {
  const broker = connectSimulated(world, process, nats);
  return {
    broker,
    registry: new SimulatedRegistry(world, process, redis),
    clock: new ProcessClock(world, process),
    logger: noting(world, process),
    metrics: NO_METRICS,
    tracer: NO_TRACER,
  };
}

/** Starts components one after the other, as a service's runner does. */
export async function startInOrder(
  components: readonly (readonly [name: string, component: Component])[],
): Promise<void> {
  for (const [, component] of components) await component.start?.();
}

/** Warnings and errors are part of the timeline. */
function noting(world: World, process: SimulatedProcess): Logger {
  const note = (message: string, fields: Readonly<Record<string, unknown>> = {}): void => {
    const told = Object.entries(fields).map(
      ([key, value]) => `${key}=${value instanceof Error ? value.message : String(value)}`,
    );
    world.note([message, ...told].join(' '), process);
  };
  return { ...silentLogger, warn: note, error: note };
}

const NOTHING: object = new Proxy(() => undefined, { get: () => () => NOTHING, apply: () => undefined });
/** Metrics that nobody reads. */
export const NO_METRICS = new Proxy({}, { get: () => () => NOTHING }) as Metrics;
