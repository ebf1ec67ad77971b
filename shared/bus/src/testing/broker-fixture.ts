import type { Broker } from '../broker.js';

/** A broker to which a contract suite connects. The suite can stop and restart it. */
export interface BrokerFixture {
  connect(): Promise<Broker>;
  interrupt(): Promise<void>;
  /** The broker runs again, with its stored entries. Resolves when it accepts connections. */
  restore(): Promise<void>;
  stop(): Promise<void>;
}

export function text(value: string): Uint8Array {
  return Buffer.from(value);
}

export function untext(data: Uint8Array): string {
  return Buffer.from(data).toString();
}
