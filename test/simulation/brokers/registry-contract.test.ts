import { registryContract } from '@muster/registry/testing';
import { World } from '../world/world.js';
import { RedisServer } from './redis-server.js';
import { SimulatedRegistry } from './simulated-registry.js';

/** The suite that runs over the real Redis too. Virtual time passes as fast as the real one: the suite waits for leases to end. */
registryContract('the simulated redis', () => {
  const world = new World(1);
  const redis = new RedisServer(world);
  // Its wall clock is that of the suite.
  redis.process.skewMs = Date.now() - world.nowMs;
  const begunMs = performance.now();
  const virtualMs = world.nowMs;
  let isStopped = false;
  let opened = 0;
  const passing = (async () => {
    while (!isStopped) {
      await world.run(Math.max(world.nowMs, virtualMs + performance.now() - begunMs));
      await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  return Promise.resolve({
    open: (options = {}) => {
      const client = world.process(`client-${(opened += 1)}`);
      return Promise.resolve(new SimulatedRegistry(world, client, redis, options));
    },
    empty: () => Promise.resolve(redis.store.empty()),
    interrupt: () => Promise.resolve(redis.kill()),
    restore: () => Promise.resolve(redis.process.revive()),
    freeze: () => Promise.resolve(redis.process.freeze()),
    resume: () => Promise.resolve(redis.process.thaw()),
    stop: async () => {
      isStopped = true;
      await passing;
    },
  });
});
