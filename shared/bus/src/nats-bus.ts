import type { Msg } from '@nats-io/transport-node';
import type { Bus, BusMessage, BusStats, BusSubscription, PublishResult, RequestResult } from './bus.js';
import { isNoResponders, isTimeout, lost, type NatsLink } from './nats-link.js';
import { late, within } from './within.js';

/** A PING goes out after so many bytes; its PONG says that the server has read all of them. */
const PING_EVERY_BYTES = 1024 * 1024;
/** The default of nats-server. */
const DEFAULT_MAX_PAYLOAD_BYTES = 1024 * 1024;

/**
 * {@link Bus} on core NATS.
 *
 * The buffers of the client library are unbounded. PING and PONG give a bound: the server answers a PING after the messages
 * before it. So only bytes that were published after the last answered PING can still be on this side or on the wire.
 */
export class NatsBus implements Bus {
  private readonly link: NatsLink;
  private readonly maxUnreadBytes: number;
  private publishedBytes = 0;
  private readBytes = 0;
  private pingedBytes = 0;
  private messagesOut = 0;
  private messagesIn = 0;
  private bytesIn = 0;
  private dropped = 0;
  private handlerErrors = 0;

  constructor(link: NatsLink, maxUnreadBytes: number) {
    this.link = link;
    this.maxUnreadBytes = maxUnreadBytes;
    link.onChange((connected) => {
      // Messages on their way are lost with the connection.
      if (!connected) this.readBytes = this.pingedBytes = this.publishedBytes;
    });
  }

  get connected(): boolean {
    return this.link.connected;
  }

  get maxPayloadBytes(): number {
    return this.link.nc.info?.max_payload ?? DEFAULT_MAX_PAYLOAD_BYTES;
  }

  publish(subject: string, data: Uint8Array): PublishResult {
    if (data.length > this.maxPayloadBytes) {
      throw new RangeError(`message of ${data.length} bytes on ${subject}; the broker takes ${this.maxPayloadBytes}`);
    }
    if (!this.canSend(data.length)) {
      this.dropped += 1;
      return 'dropped';
    }
    this.link.nc.publish(subject, data);
    this.countSent(data.length);
    return 'sent';
  }

  subscribe(
    subject: string,
    handler: (message: BusMessage) => void,
    options: { readonly queue?: string } = {},
  ): BusSubscription {
    let open = true;
    const subscription = this.link.nc.subscribe(subject, {
      ...(options.queue === undefined ? {} : { queue: options.queue }),
      callback: (error, message) => {
        if (error !== null) {
          this.link.logger.error('subscription refused by nats', { subject, err: error });
          return;
        }
        if (open) this.receive(message, handler);
      },
    });
    return {
      unsubscribe: () => {
        open = false;
        subscription.unsubscribe();
      },
    };
  }

  async request(subject: string, data: Uint8Array, options: { readonly timeoutMs: number }): Promise<RequestResult> {
    if (!this.canSend(data.length)) {
      this.dropped += 1;
      return { kind: 'disconnected' };
    }
    const answer = this.link.nc.request(subject, data, { timeout: options.timeoutMs });
    this.countSent(data.length);
    try {
      const message = await this.link.orLost(answer);
      if (message === lost) return { kind: 'disconnected', mayHaveArrived: true };
      this.messagesIn += 1;
      this.bytesIn += message.data.length;
      return { kind: 'reply', data: message.data };
    } catch (error) {
      if (isNoResponders(error)) return { kind: 'no_responders' };
      if (isTimeout(error)) return { kind: 'timeout' };
      if (!this.link.connected) return { kind: 'disconnected', mayHaveArrived: true };
      throw error;
    }
  }

  async flush(timeoutMs = 5_000): Promise<boolean> {
    if (!this.link.connected) return false;
    try {
      const result = await within(timeoutMs, this.link.orLost(this.link.nc.flush()));
      return result !== lost && result !== late;
    } catch {
      return false;
    }
  }

  onConnectionChange(listener: (connected: boolean) => void): () => void {
    return this.link.onChange(listener);
  }

  stats(): BusStats {
    return {
      messagesOut: this.messagesOut,
      bytesOut: this.publishedBytes,
      messagesIn: this.messagesIn,
      bytesIn: this.bytesIn,
      dropped: this.dropped,
      handlerErrors: this.handlerErrors,
      reconnects: this.link.reconnects,
      refused: this.link.refused,
    };
  }

  private canSend(bytes: number): boolean {
    if (!this.link.connected || this.link.nc.isDraining() || this.link.nc.isClosed()) return false;
    return this.publishedBytes - this.readBytes + bytes <= this.maxUnreadBytes;
  }

  private countSent(bytes: number): void {
    this.messagesOut += 1;
    this.publishedBytes += bytes;
    if (this.publishedBytes - this.pingedBytes < PING_EVERY_BYTES) return;
    const reached = this.publishedBytes;
    this.pingedBytes = reached;
    this.link.nc.flush().then(
      () => {
        this.readBytes = Math.max(this.readBytes, reached);
      },
      () => undefined, // the connection is gone, and with it the count
    );
  }

  private receive(message: Msg, handler: (message: BusMessage) => void): void {
    this.messagesIn += 1;
    this.bytesIn += message.data.length;
    const { subject, data, reply } = message;
    try {
      if (reply === undefined || reply === '') handler({ subject, data });
      else handler({ subject, data, reply: (answer) => this.publish(reply, answer) });
    } catch (error) {
      // An exception in a callback would end the client's read loop.
      this.handlerErrors += 1;
      this.link.logger.error('message handler failed', { subject, err: error });
    }
  }
}
