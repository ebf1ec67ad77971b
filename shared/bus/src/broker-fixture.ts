import type { Broker } from './broker.js';

/** A broker that a contract suite may connect to, break and mend. */
export interface BrokerFixture {
  connect(): Promise<Broker>;
  /** The broker dies at once. */
  interrupt(): Promise<void>;
  /** It is back, with what it kept; resolves when it takes connections. */
  restore(): Promise<void>;
  stop(): Promise<void>;
}

export function text(value: string): Uint8Array {
  return Buffer.from(value);
}

export function untext(data: Uint8Array): string {
  return Buffer.from(data).toString();
}

/** Resolves when the condition holds; asks whenever the event loop is idle, for at most 10 s. */
export async function eventually(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error('it did not happen within 10 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
