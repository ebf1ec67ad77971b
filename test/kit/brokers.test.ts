import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectNats, type Broker } from '@muster/bus';
import { busContract, logContract } from '@muster/bus/contract';
import { openRedisRegistry } from '@muster/registry';
import { silentLogger } from '@muster/runtime';
import { chooseWay, startTestBrokers, type TestBrokers } from './brokers.js';

const logger = silentLogger;
const way = await chooseWay();

describe(`test brokers from ${way}`, () => {
  let brokers: TestBrokers;
  let nats: Broker;

  beforeAll(async () => {
    brokers = await startTestBrokers({ logger, way });
    nats = await connectNats({ servers: [brokers.nats.url], name: 'kit', logger });
  }, 120_000);
  afterAll(async () => {
    await nats.stop();
    await brokers.stop();
  });

  it('nats comes back after a kill on the same address, with what it kept', async () => {
    await nats.streams.ensure([{ name: 'KIT', subjects: ['kit.>'] }]);
    await nats.streams.append('kit.a', Buffer.from('kept'));
    await brokers.nats.kill9();
    await brokers.nats.restart();
    await eventually(() => Promise.resolve(nats.bus.connected));
    expect(Buffer.from((await nats.streams.last('KIT', 'kit.a'))?.data ?? []).toString()).toBe('kept');
  });

  it('redis comes back after a kill on the same address', async () => {
    const registry = await openRedisRegistry({ url: brokers.redis.url, logger });
    expect((await registry.generation()).kind).toBe('generation');
    await brokers.redis.kill9();
    await eventually(async () => (await registry.generation()).kind === 'unavailable');
    await brokers.redis.restart();
    await eventually(async () => (await registry.generation()).kind === 'generation');
    await registry.stop();
  });

  async function eventually(condition: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 15_000;
    while (!(await condition())) {
      if (Date.now() > deadline) throw new Error('it did not happen within 15 s');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
});

// From binaries, the bus's own tests run these; the image is another version of the server.
if (way === 'containers') {
  const makeFixture = async () => {
    const brokers = await startTestBrokers({ logger, way });
    return {
      connect: () => connectNats({ servers: [brokers.nats.url], name: 'contract', logger }),
      interrupt: () => brokers.nats.kill9(),
      restore: () => brokers.nats.restart(),
      stop: () => brokers.stop(),
    };
  };
  busContract('nats from an image', makeFixture);
  logContract('nats from an image', makeFixture);
}
