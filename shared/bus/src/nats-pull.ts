import { createInbox, type Msg, type Subscription } from '@nats-io/transport-node';
import type { Entry } from './stream-store.js';
import type { NatsLink } from './nats-link.js';

/** One request for entries stays open this long when there are none. */
const PULL_EXPIRES_MS = 30_000;
const HEARTBEAT_MS = 5_000;
/** Longer silence on an open request means that the server or the connection is lost. */
const SILENCE_MS = 2 * HEARTBEAT_MS + 2_000;
const MAX_PULL_BYTES = 4 * 1024 * 1024;

interface PullOptions {
  readonly stream: string;
  readonly consumer: string;
  readonly batch: number;
  readonly signal: AbortSignal | undefined;
}

/** `lost`: nothing more will come from this consumer. `ended`: a request ended before it was filled. */
type Pulled = Entry | 'lost' | 'ended';

/**
 * Pulls a consumer's entries one request at a time; the next request goes out when the last entry of the previous one
 * was taken. What is held here is therefore never more than one request allows: `batch` entries, about 4 MB.
 *
 * The client library's `consume` refills by count only, and its `fetch` knows bytes or count, not both.
 */
export class NatsPull {
  readonly consumer: string;
  private readonly link: NatsLink;
  private readonly options: PullOptions;
  private readonly inbox = createInbox();
  private readonly subscription: Subscription;
  private readonly offChange: () => void;
  private queue: Entry[] = [];
  private taken = 0;
  /** Entries the open request may still bring; 0 when no request is open. */
  private outstanding = 0;
  private requests = 0;
  private deliveries = 0;
  private isLost = false;
  private wake: (() => void) | undefined;
  private readonly silence: NodeJS.Timeout;

  constructor(link: NatsLink, options: PullOptions) {
    this.link = link;
    this.options = options;
    this.consumer = options.consumer;
    this.subscription = link.nc.subscribe(`${this.inbox}.*`, {
      callback: (error, message) => (error === null ? this.receive(message) : this.lose()),
    });
    this.offChange = link.onChange((connected) => connected || this.lose());
    this.silence = setTimeout(() => this.outstanding > 0 && this.lose(), SILENCE_MS);
    options.signal?.addEventListener('abort', this.lose, { once: true });
    if (!link.connected || options.signal?.aborted === true) this.lose();
  }

  async next(): Promise<Pulled> {
    let asked = false;
    for (;;) {
      const entry = this.queue[this.taken];
      if (entry !== undefined && this.options.signal?.aborted !== true) {
        this.taken += 1;
        return entry;
      }
      if (this.isLost) return 'lost';
      if (this.outstanding === 0) {
        if (asked) return 'ended';
        asked = true;
        this.request();
      } else {
        asked = true;
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
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
    this.queue = [];
    this.taken = 0;
    this.requests += 1;
    this.outstanding = this.options.batch;
    const body = JSON.stringify({
      batch: this.options.batch,
      max_bytes: MAX_PULL_BYTES,
      expires: PULL_EXPIRES_MS * NANOS_PER_MS,
      idle_heartbeat: HEARTBEAT_MS * NANOS_PER_MS,
    });
    this.link.nc.publish(this.api('CONSUMER.MSG.NEXT'), body, { reply: `${this.inbox}.${this.requests}` });
    this.silence.refresh();
  }

  private api(call: string): string {
    return `$JS.API.${call}.${this.options.stream}.${this.options.consumer}`;
  }

  private receive(message: Msg): void {
    this.silence.refresh();
    if (message.subject.startsWith(this.inbox)) {
      if (message.subject === `${this.inbox}.${this.requests}`) this.receiveStatus(message);
      return;
    }
    const entry = toEntry(message);
    if (entry === undefined || entry.delivery !== this.deliveries + 1) {
      this.lose();
      return;
    }
    this.deliveries = entry.delivery;
    this.outstanding = Math.max(0, this.outstanding - 1);
    this.queue.push(entry.entry);
    this.notify();
  }

  /** Statuses of a pull (nats-server, consumer.go): 100 heartbeat, 404/408 nothing (more) there, 409 see text, 503 nobody. */
  private receiveStatus(message: Msg): void {
    const code = message.headers?.code ?? 0;
    if (code === 100) return;
    const filled = code === 409 && /maxbytes/i.test(message.headers?.description ?? '');
    if (code === 404 || code === 408 || filled) {
      this.outstanding = 0;
      this.notify();
      return;
    }
    this.lose();
  }

  private notify(): void {
    this.wake?.();
    this.wake = undefined;
  }
}

const NANOS_PER_MS = 1_000_000;

/** A delivery's reply subject says what it is: `$JS.ACK.<stream>.<consumer>.<tries>.<stream seq>.<delivery>.<time>.<pending>`. */
function toEntry(message: Msg): { readonly entry: Entry; readonly delivery: number } | undefined {
  const parts = message.reply?.split('.') ?? [];
  if (parts[0] !== '$JS' || parts[1] !== 'ACK') return undefined;
  // With a domain and an account before the stream, and a random token at the end, it has twelve parts.
  const at = parts.length >= 11 ? 7 : 5;
  const [seq, delivery, time, pending] = parts.slice(at, at + 4).map(Number);
  if (seq === undefined || delivery === undefined || time === undefined || pending === undefined) return undefined;
  const { subject, data } = message;
  return { delivery, entry: { seq, subject, data, timestampMs: Math.floor(time / NANOS_PER_MS), pending } };
}
