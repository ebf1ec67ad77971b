import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Harness } from '../../kit/harness.js';
import { post } from '../load/post.js';
import type { Endpoint } from './endpoint.js';
import type { Witnesses } from './witnesses.js';

/** An order to one endpoint to kill one witness. */
export interface Order {
  /** The name of the witness. */
  readonly witness: string;
  readonly endpoint: string;
  /** Of the fault under which it was given. */
  readonly fault: string;
  readonly id: string;
  /** A cancel was asked for. */
  isCancelled: boolean;
}

const REPEAT_MS = 250;
const EXPIRES_IN = '30s';
const TIMEOUT = '5s';

/** Gives orders, and keeps what was ordered. */
export class Orders {
  readonly given: Order[] = [];
  readonly #harness: Harness;
  readonly #witnesses: Witnesses;
  #count = 0;

  constructor(harness: Harness, witnesses: Witnesses) {
    this.#harness = harness;
    this.#witnesses = witnesses;
  }

  /** Resolves when the order was accepted; it is repeated until then. */
  async give({ name, agentId }: Endpoint, fault: string, expiresIn = EXPIRES_IN): Promise<Order> {
    const witness = `mw-${process.pid % 100_000}-${this.#count++}`;
    await this.#witnesses.start(witness);
    const body = {
      ...{ action: 'process.kill', params: { name: witness }, target: { agentIds: [agentId] } },
      ...{ expiresIn, timeout: TIMEOUT },
    };
    const key = randomUUID();
    for (;;) {
      const { attempt } = await post(this.#harness, { path: '/v1/commands', body, key });
      if (attempt.id !== undefined) {
        const order = { witness, endpoint: name, fault, id: attempt.id, isCancelled: false };
        this.given.push(order);
        return order;
      }
      if (attempt.status === 422 || attempt.status === 400) throw new Error(JSON.stringify(attempt));
      await delay(REPEAT_MS);
    }
  }

  /** Resolves when the order took effect, or did not in time: then `false`. */
  async ran({ witness }: Order, withinMs: number): Promise<boolean> {
    const giveUpAtMs = Date.now() + withinMs;
    while (this.#witnesses.deaths(witness) === 0) {
      if (Date.now() > giveUpAtMs) return false;
      await delay(50);
    }
    return true;
  }

  /** Asks for a cancel; whether it comes in time is not known. */
  async cancel(order: Order): Promise<void> {
    order.isCancelled = true;
    await this.#harness.api.fetch(`/v1/commands/${order.id}`, { method: 'DELETE' }).catch(() => {});
  }
}
