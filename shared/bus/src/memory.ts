import type { Broker } from './broker.js';
import { MemoryBus } from './memory-bus.js';
import { MemoryExchange } from './memory-exchange.js';
import { MemoryStreamStore, MemoryStore } from './memory-stream-store.js';

export interface MemoryConnection extends Broker {
  readonly bus: MemoryBus;
  readonly streams: MemoryStreamStore;
}

/** A broker inside the process, for unit tests. All connections of one instance share its subjects and streams. */
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

  /** Breaks all connections until `restore`, like a broker that stopped. Stored entries stay. */
  interrupt(): void {
    for (const { bus } of this.connections) bus.setConnected(false);
  }

  restore(): void {
    for (const { bus } of this.connections) bus.setConnected(true);
    for (const tell of this.store.changed) tell();
  }
}

export type { MemoryBus } from './memory-bus.js';
/** What a simulated broker keeps, and how it routes. */
export { MemoryStore, MemoryStreamStore } from './memory-stream-store.js';
export { matchesSubject } from './subject-match.js';
