// What the tests of several packages share. Only tests import it.
export { startBrokers } from './brokers.js';
export type { BrokerSource, TestBroker, TestBrokers } from './test-brokers.js';
export { MemoryRegistry, RegistryStore, type HeldAgent, type MemoryRegistryOptions } from './memory-registry.js';
export { TcpRelay, type Direction, type RelayedBytes, type TcpRelayOptions } from './tcp-relay.js';
export { TestProcess, type LogLine, type Ready, type TestProcessOptions } from './test-process.js';
