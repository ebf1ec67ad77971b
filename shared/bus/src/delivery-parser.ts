import type { Msg } from '@nats-io/transport-node';
import type { Entry } from './stream-store.js';

interface Delivery {
  /** Counts this consumer's deliveries, from 1. */
  readonly number: number;
  readonly entry: Entry;
}

const NANOS_PER_MS = 1_000_000;
const DOT = 0x2e;
const ZERO = 0x30;

/**
 * Reads the deliveries of one consumer. Their reply subjects say what they are:
 * `$JS.ACK.<stream>.<consumer>.<tries>.<stream seq>.<delivery>.<time>.<pending>`. With a domain and an account before
 * the stream, and a random token at the end, it has twelve parts.
 *
 * A start reads hundreds of thousands of them, which differ in their numbers alone: only those are read, without making texts of them.
 */
export class DeliveryParser {
  readonly #consumer: string;
  /** What comes before the numbers. */
  #prefix: string | undefined;
  #at = 0;

  constructor(consumer: string) {
    this.#consumer = consumer;
  }

  /** `undefined`: no delivery, or one of another consumer. */
  parse(message: Msg): Delivery | undefined {
    const { reply } = message;
    if (reply === undefined) return undefined;
    if (this.#prefix === undefined || !reply.startsWith(this.#prefix)) this.#prefix = prefixOf(reply, this.#consumer);
    if (this.#prefix === undefined) return undefined;
    this.#at = reply.indexOf('.', this.#prefix.length) + 1;
    if (this.#at === 0) return undefined;
    const seq = this.#number(reply);
    const number = this.#number(reply);
    const timestampMs = Math.floor(this.#number(reply) / NANOS_PER_MS);
    const isComplete = this.#at < reply.length;
    const pending = this.#number(reply);
    if (!isComplete) return undefined;
    const { subject, data } = message;
    return { number, entry: { seq, subject, data, timestampMs, pending } };
  }

  /** The number that begins here; moves behind the dot after it. */
  #number(text: string): number {
    let value = 0;
    for (; this.#at < text.length; this.#at += 1) {
      const code = text.charCodeAt(this.#at);
      if (code === DOT) break;
      value = value * 10 + code - ZERO;
    }
    this.#at += 1;
    return value;
  }
}

function prefixOf(reply: string, consumer: string): string | undefined {
  const parts = reply.split('.');
  if (parts[0] !== '$JS' || parts[1] !== 'ACK') return undefined;
  const at = parts.length >= 11 ? 6 : 4;
  return parts[at - 1] === consumer ? `${parts.slice(0, at).join('.')}.` : undefined;
}
