import type { Bus, BusMessage, BusStats, BusSubscription, PublishResult, RequestResult } from './bus.js';
import type { MemoryExchange, MemorySubscriber } from './memory-exchange.js';

const MAX_PAYLOAD_BYTES = 1024 * 1024;

/** {@link Bus} between users of one {@link MemoryExchange}: for unit tests, with the manners of the real one. */
export class MemoryBus implements Bus {
  readonly maxPayloadBytes = MAX_PAYLOAD_BYTES;
  private readonly exchange: MemoryExchange;
  private readonly listeners = new Set<(connected: boolean) => void>();
  private readonly subscriptions = new Set<MemorySubscriber>();
  private readonly cuts = new Set<() => void>();
  private isConnected = true;
  private readonly counts = {
    messagesOut: 0,
    bytesOut: 0,
    messagesIn: 0,
    bytesIn: 0,
    dropped: 0,
    handlerErrors: 0,
    reconnects: 0,
    refused: 0,
  };

  constructor(exchange: MemoryExchange) {
    this.exchange = exchange;
  }

  get connected(): boolean {
    return this.isConnected;
  }

  publish(subject: string, data: Uint8Array): PublishResult {
    if (data.length > MAX_PAYLOAD_BYTES) throw new RangeError(`message of ${data.length} bytes on ${subject}`);
    return this.send(subject, data, undefined) === 'dropped' ? 'dropped' : 'sent';
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options: { readonly queue?: string } = {},
  ): BusSubscription {
    const subscriber = this.exchange.join(subject, options.queue, (message) => this.receive(message, handler));
    this.subscriptions.add(subscriber);
    subscriber.isUp = this.isConnected;
    return {
      unsubscribe: () => {
        this.subscriptions.delete(subscriber);
        this.exchange.leave(subscriber);
      },
    };
  }

  request(subject: string, data: Uint8Array, { timeoutMs }: { readonly timeoutMs: number }): Promise<RequestResult> {
    return new Promise((resolve) => {
      const settle = (result: RequestResult) => {
        clearTimeout(timer);
        this.cuts.delete(cut);
        resolve(result);
      };
      const cut = () => settle({ kind: 'disconnected', mayHaveArrived: true });
      const timer = setTimeout(() => settle({ kind: 'timeout' }), timeoutMs);
      this.cuts.add(cut);
      const outcome = this.send(subject, data, (reply) => {
        this.counts.messagesIn += 1;
        this.counts.bytesIn += reply.length;
        settle({ kind: 'reply', data: reply });
      });
      if (outcome === 'dropped') settle({ kind: 'disconnected' });
      else if (outcome === 0) queueMicrotask(() => settle({ kind: 'no_responders' }));
    });
  }

  async flush(): Promise<boolean> {
    if (!this.isConnected) return false;
    await this.exchange.settled();
    return this.isConnected;
  }

  onConnectionChange(listener: (connected: boolean) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  stats(): BusStats {
    return { ...this.counts };
  }

  /** For tests: the connection breaks, or comes back. */
  setConnected(connected: boolean): void {
    if (this.isConnected === connected) return;
    this.isConnected = connected;
    if (connected) this.counts.reconnects += 1;
    for (const subscriber of this.subscriptions) subscriber.isUp = connected;
    if (!connected) for (const cut of this.cuts) cut();
    for (const listener of this.listeners) listener(connected);
  }

  /** Returns how many subscribers get the message. */
  private send(
    subject: string,
    data: Uint8Array,
    onReply: ((data: Uint8Array) => void) | undefined,
  ): number | 'dropped' {
    if (!this.isConnected) {
      this.counts.dropped += 1;
      return 'dropped';
    }
    this.counts.messagesOut += 1;
    this.counts.bytesOut += data.length;
    return this.exchange.send(subject, data.slice(), onReply);
  }

  private receive(message: BusMessage, handler: (message: BusMessage) => void): void {
    this.counts.messagesIn += 1;
    this.counts.bytesIn += message.data.length;
    const { subject, data, reply } = message;
    const answer = (bytes: Uint8Array): PublishResult => {
      if (!this.isConnected) {
        this.counts.dropped += 1;
        return 'dropped';
      }
      reply?.(bytes.slice());
      return 'sent';
    };
    try {
      handler(reply === undefined ? { subject, data } : { subject, data, reply: answer });
    } catch {
      this.counts.handlerErrors += 1;
    }
  }
}
