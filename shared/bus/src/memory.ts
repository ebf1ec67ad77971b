import type { Broker } from './broker.js';
import { MemoryBus } from './memory-bus.js';
import { MemoryExchange } from './memory-exchange.js';
import { MemoryStreamStore, MemoryStore } from './memory-stream-store.js';

export interface MemoryConnection extends Broker {
  readonly bus: MemoryBus;
  readonly streams: MemoryStreamStore;
}

/** A broker within the process, for unit tests. Everything connected to one of these sees the others. */
export class MemoryBroker {
  private readonly exchange = new MemoryExchange();
  private readonly store = new MemoryStore();
  private readonly connections = new Set<MemoryConnection>();

  connect(): MemoryConnection {
    const bus = new MemoryBus(this.exchange);
    let isStopped = false;
    const connection: MemoryConnection = {
      bus,
      streams: new MemoryStreamStore(this.store, () => bus.connected),
      stop: async () => {
        if (isStopped) return;
        isStopped = true;
        await bus.flush();
        bus.setConnected(false);
        this.connections.delete(connection);
      },
    };
    this.connections.add(connection);
    return connection;
  }

  /** As if the broker had died: all connections break until `restore`. What was kept stays. */
  interrupt(): void {
    for (const { bus } of this.connections) bus.setConnected(false);
  }

  restore(): void {
    for (const { bus } of this.connections) bus.setConnected(true);
    for (const tell of this.store.changed) tell();
  }
}

export type { MemoryBus } from './memory-bus.js';
export type { MemoryStreamStore } from './memory-stream-store.js';
