import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectNats, type Broker } from '@muster/bus';
import { busContract, streamStoreContract } from '@muster/bus/testing';
import { openRedisRegistry } from '@muster/registry';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import { chooseBrokerSource, startBrokers } from './brokers.js';
import type { TestBrokers } from './test-brokers.js';

const logger = silentLogger;
const source = await chooseBrokerSource();

describe(`test brokers from ${source}`, () => {
  let brokers: TestBrokers;
  let nats: Broker;

  beforeAll(async () => {
    brokers = await startBrokers(source);
    nats = await connectNats({ servers: [brokers.nats.url], name: 'kit', logger });
  });
  afterAll(async () => {
    await nats.stop();
    await brokers.stop();
  });

  it('nats restarts after a kill on the same address, with its data', async () => {
    await nats.streams.ensure([{ name: 'KIT', subjects: ['kit.>'] }]);
    await nats.streams.append('kit.a', Buffer.from('kept'));
    await brokers.nats.kill9();
    await brokers.nats.restart();
    await eventually(() => nats.bus.connected);
    expect(Buffer.from((await nats.streams.last('KIT', 'kit.a'))?.data ?? []).toString()).toBe('kept');
  });

  it('redis restarts after a kill on the same address', async () => {
    const registry = await openRedisRegistry({ url: brokers.redis.url, logger });
    expect((await registry.generation()).kind).toBe('generation');
    await brokers.redis.kill9();
    await eventually(async () => (await registry.generation()).kind === 'unavailable');
    await brokers.redis.restart();
    await eventually(async () => (await registry.generation()).kind === 'generation');
    await registry.stop();
  });

  it('a frozen one keeps its connections, answers nobody, and goes on where it stopped', async () => {
    const registry = await openRedisRegistry({ url: brokers.redis.url, logger });
    await brokers.redis.freeze();
    const asked = registry.generation();
    const first = await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, 200, 'silent'))]);
    expect(first).toBe('silent');
    await brokers.redis.resume();
    await eventually(async () => (await registry.generation()).kind === 'generation');
    await registry.stop();
  });
});

// From binaries, the bus's own tests run these; the image is another version of the server.
if (source === 'containers') {
  const makeFixture = async () => {
    const brokers = await startBrokers(source);
    return {
      connect: () => connectNats({ servers: [brokers.nats.url], name: 'contract', logger }),
      interrupt: () => brokers.nats.kill9(),
      restore: () => brokers.nats.restart(),
      stop: () => brokers.stop(),
    };
  };
  busContract('nats from an image', makeFixture);
  streamStoreContract('nats from an image', makeFixture);
}
