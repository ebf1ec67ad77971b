import { busContract, followContract, streamStoreContract, type BrokerFixture } from './testing/index.js';
import { MemoryBroker } from './memory.js';

function makeFixture(): Promise<BrokerFixture> {
  const broker = new MemoryBroker();
  return Promise.resolve({
    connect: () => Promise.resolve(broker.connect()),
    interrupt: () => Promise.resolve(broker.interrupt()),
    restore: () => Promise.resolve(broker.restore()),
    stop: () => Promise.resolve(),
  });
}

busContract('the broker in memory', makeFixture);
streamStoreContract('the broker in memory', makeFixture);
followContract('the broker in memory', makeFixture);
