import type { Broker } from '@muster/bus';
import type { SimulatedProcess, World } from '../world/world.js';
import { NatsConnection } from './nats-connection.js';
import type { NatsServer } from './nats-server.js';
import { SimulatedBus } from './simulated-bus.js';
import { SimulatedStreams } from './simulated-streams.js';

export interface SimulatedBroker extends Broker {
  readonly connection: NatsConnection;
}

/** The broker as one process sees it. It connects by itself; until then it is as if the connection had been lost. */
export function connectSimulated(world: World, process: SimulatedProcess, server: NatsServer): SimulatedBroker {
  const connection = new NatsConnection(world, process, server);
  return {
    connection,
    bus: new SimulatedBus(connection),
    streams: new SimulatedStreams(connection, server.store),
    stop: () => connection.stop(),
  };
}
