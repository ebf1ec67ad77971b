import { busContract, followContract, streamStoreContract, type BrokerFixture } from '@muster/bus/testing';
import { World } from '../world/world.js';
import { connectSimulated } from './connect-simulated.js';
import type { NatsConnection } from './nats-connection.js';
import { NatsServer } from './nats-server.js';

/** The suites that run over the real broker too. Virtual time passes by itself here, faster than the real one. */
async function makeFixture(): Promise<BrokerFixture> {
  const world = new World(1);
  const nats = new NatsServer(world);
  const connections = new Set<NatsConnection>();
  let isStopped = false;
  const passing = (async () => {
    while (!isStopped) await world.run(world.nowMs + 1);
  })();
  const until = async (isSo: () => boolean): Promise<void> => {
    while (!isSo()) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    connect: async () => {
      const broker = connectSimulated(world, world.process(`client-${connections.size}`), nats);
      const { connection } = broker;
      connections.add(connection);
      await until(() => connection.connected);
      return broker;
    },
    interrupt: async () => {
      nats.kill();
      await until(() => [...connections].every(({ connected }) => !connected));
    },
    restore: async () => {
      nats.process.revive();
      await until(() => [...connections].every(({ connected, isStopped: ended }) => connected || ended));
    },
    stop: async () => {
      isStopped = true;
      await passing;
    },
  };
}

busContract('the simulated broker', makeFixture);
streamStoreContract('the simulated broker', makeFixture);
followContract('the simulated broker', makeFixture);
