import { describe, expect, it } from '@jest/globals';
import { createMetrics } from '@muster/runtime';
import { createBusMetrics } from './bus-metrics.js';
import { MemoryBroker } from './memory.js';

describe('bus metrics', () => {
  it('show at each scrape what was sent, heard and lost so far', async () => {
    const broker = new MemoryBroker();
    const { bus } = broker.connect();
    const metrics = createMetrics('gateway');
    createBusMetrics(metrics, bus);
    const heard = new Promise<void>((resolve) => bus.subscribe('a', () => resolve()));
    bus.publish('a', Buffer.from('hello'));
    await heard;
    broker.interrupt();
    bus.publish('a', Buffer.from('lost'));
    const scrape = async (): Promise<string> => metrics.registry.metrics();
    for (const text of [await scrape(), await scrape()]) {
      expect(text).toMatch(/^muster_gateway_bus_sent_messages_total 1$/m);
      expect(text).toMatch(/^muster_gateway_bus_sent_bytes_total 5$/m);
      expect(text).toMatch(/^muster_gateway_bus_received_messages_total 1$/m);
      expect(text).toMatch(/^muster_gateway_bus_dropped_messages_total 1$/m);
    }
  });
});
