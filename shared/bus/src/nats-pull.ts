import { createInbox, type Msg, type Subscription } from '@nats-io/transport-node';
import type { Entry } from './stream-store.js';
import { DeliveryParser } from './delivery-parser.js';
import type { NatsLink } from './nats-link.js';
import type { RequestPull } from './nats-readers.js';
import type { PullSize } from './pull-size.js';

interface PullOptions {
  readonly stream: string;
  readonly consumer: string;
  readonly size: PullSize;
  /** How often the server is to say that there is nothing, from the next request on. */
  readonly heartbeatMs: () => number;
  /** After a silence of this length the server is asked whether it is alive. */
  readonly silenceMs: number;
  readonly signal: AbortSignal | undefined;
  readonly requestPull: RequestPull;
}

/** The server has nothing to send now: it has looked at every entry up to `upToSeq`, and what it found there has arrived. */
export interface Idle {
  readonly upToSeq: number;
}

/** What has arrived. `lost`: nothing more will come from this consumer. */
type Pulled = readonly Entry[] | 'lost' | Idle;

/**
 * Pulls a consumer's entries one request at a time; the next request goes out when the last entries of the previous
 * one were taken. What is held here is therefore what one request brings: about 4 MB, and never more than 8 MB.
 *
 * The client library's `consume` and `fetch` know a count or the server's bound by bytes, and neither bounds memory without a loss.
 */
export class NatsPull {
  readonly consumer: string;
  private readonly link: NatsLink;
  private readonly options: PullOptions;
  private readonly inbox: string;
  private readonly subscription: Subscription;
  private readonly offChange: () => void;
  private readonly deliveryParser: DeliveryParser;
  private queue: Entry[] = [];
  /** Entries the open request may still bring; 0 when no request is open. */
  private outstanding = 0;
  private requests = 0;
  private deliveries = 0;
  private messages = 0;
  private idle: Idle | undefined;
  private isLost = false;
  private wake: (() => void) | undefined;
  private readonly silence: NodeJS.Timeout;

  constructor(link: NatsLink, options: PullOptions) {
    this.link = link;
    this.inbox = createInbox(link.inboxPrefix);
    this.options = options;
    this.consumer = options.consumer;
    this.deliveryParser = new DeliveryParser(options.consumer);
    this.subscription = link.nc.subscribe(`${this.inbox}.*`, {
      callback: (error, message) => (error === null ? this.receive(message) : this.lose()),
    });
    this.offChange = link.onChange((connected) => connected || this.lose());
    this.silence = setTimeout(() => void this.checkSilence(), options.silenceMs);
    options.signal?.addEventListener('abort', this.lose, { once: true });
    if (!link.connected || options.signal?.aborted === true) this.lose();
  }

  /** Entries that have arrived so far. */
  get received(): number {
    return this.deliveries;
  }

  async next(): Promise<Pulled> {
    for (;;) {
      if (this.queue.length > 0 && this.options.signal?.aborted !== true) {
        const arrived = this.queue;
        this.queue = [];
        return arrived;
      }
      if (this.isLost) return 'lost';
      if (this.idle !== undefined) {
        const { idle } = this;
        this.idle = undefined;
        return idle;
      }
      if (this.outstanding === 0) this.request();
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
  }

  readonly lose = (): void => {
    this.isLost = true;
    this.notify();
  };

  /** Ends the subscription and deletes the consumer at once instead of after its inactivity. */
  close(): void {
    clearTimeout(this.silence);
    this.options.signal?.removeEventListener('abort', this.lose);
    this.offChange();
    this.isLost = true;
    this.queue = [];
    if (this.link.nc.isClosed() || this.link.nc.isDraining()) return;
    this.subscription.unsubscribe();
    if (this.link.connected) this.link.nc.publish(this.api('CONSUMER.DELETE'));
  }

  private request(): void {
    this.requests += 1;
    this.outstanding = this.options.size.next();
    const { stream, heartbeatMs, requestPull } = this.options;
    const inbox = `${this.inbox}.${this.requests}`;
    requestPull({ stream, consumer: this.consumer, inbox, batch: this.outstanding, heartbeatMs: heartbeatMs() });
    this.silence.refresh();
  }

  private api(call: string): string {
    return `$JS.API.${call}.${this.options.stream}.${this.options.consumer}`;
  }

  private receive(message: Msg): void {
    this.messages += 1;
    this.silence.refresh();
    if (message.subject.startsWith(this.inbox)) {
      if (message.subject === `${this.inbox}.${this.requests}`) this.receiveStatus(message);
      return;
    }
    const delivery = this.deliveryParser.parse(message);
    if (delivery?.number !== this.deliveries + 1) {
      this.lose();
      return;
    }
    this.deliveries = delivery.number;
    this.outstanding = Math.max(0, this.outstanding - 1);
    this.queue.push(delivery.entry);
    if (!this.options.size.fits(message.data.length) && this.outstanding > 0) this.stopReceiving();
    this.notify();
  }

  /**
   * Statuses of a pull (nats-server, consumer.go): 100 heartbeat, 408 the time of the request is over, others: it
   * ended. None but the heartbeat says how far the server has looked, so none of them is the end.
   */
  private receiveStatus(message: Msg): void {
    const { headers } = message;
    if (headers?.code === 100) {
      // The number of the last delivery: what did not arrive until here will not come.
      if (Number(headers.get('Nats-Last-Consumer')) > this.deliveries) return this.lose();
      this.idle = { upToSeq: Number(headers.get('Nats-Last-Stream')) };
      return this.notify();
    }
    if (headers?.code !== 408) return this.lose();
    this.outstanding = 0;
    this.notify();
  }

  /** A request cannot be taken back. What it would still bring is read again, after what has arrived. */
  private stopReceiving(): void {
    this.subscription.unsubscribe();
    this.isLost = true;
  }

  /**
   * No heartbeat came: either the request is lost, or the server hangs. The server answers a ping in line with its messages, so a server
   * that answers it and says nothing else has no such request. While it hangs there is nothing better to do than to wait for it.
   */
  private async checkSilence(): Promise<void> {
    if (this.outstanding === 0 || this.isLost) return;
    const before = this.messages;
    try {
      await this.link.nc.flush();
    } catch {
      return;
    }
    if (this.messages === before && this.outstanding > 0) this.lose();
  }

  private notify(): void {
    this.wake?.();
    this.wake = undefined;
  }
}
