import type { ApiClient, ProblemFields } from '@muster/api-client';
import type { FromStream, Link, StreamEvent, Subscription, ToStream } from './protocol.js';
import { StreamConnection, type ConnectionOwner, type Wanted } from './stream-connection.js';
import { MOST_SUBSCRIPTIONS, SubscriptionSet, type Followed } from './subscription-set.js';

/** How often the hub looks whether its readers say something; they do it every 20 s, and once a minute in a tab that nobody looks at. */
export const LOOK_MS = 30_000;
/** A reader that said nothing in so many looks is away: its tab has crashed or is frozen, and what is sent to it would pile up. */
const MOST_MISSED = 5;
const FIRST_RETRY_MS = 2_000;
const LAST_RETRY_MS = 60_000;

const FULL: ProblemFields = {
  code: 'conflict',
  detail: `The tabs of this browser follow ${MOST_SUBSCRIPTIONS} things together, which is as much as one stream takes. Close some, and this goes on by itself.`,
};

interface Reader {
  readonly port: MessagePort;
  missed: number;
  isAway: boolean;
}

/**
 * Passes the events of the one stream of a browser to its readers. Time is counted in looks, not by the clock: while a
 * laptop sleeps nobody can say anything, and nobody has gone. A reader that is away is told nothing and keeps its
 * place; its first word brings it back.
 */
export class StreamHub implements ConnectionOwner {
  readonly #readers = new Map<MessagePort, Reader>();
  readonly #followed = new SubscriptionSet<Reader>(({ isAway }) => isAway);
  readonly #connection: StreamConnection;
  readonly #firstRetryMs: number;
  readonly #retries = new Set<ReturnType<typeof setTimeout>>();

  constructor(client: ApiClient, { firstRetryMs = FIRST_RETRY_MS }: { readonly firstRetryMs?: number } = {}) {
    this.#firstRetryMs = firstRetryMs;
    this.#connection = new StreamConnection(client, this);
  }

  /** Takes a reader, which then subscribes by messages. */
  addReader(port: MessagePort): void {
    const reader: Reader = { port, missed: 0, isAway: false };
    this.#readers.set(port, reader);
    port.onmessage = ({ data }: MessageEvent<ToStream>) => this.#hear(reader, data);
    // Where the browser says that the other side has gone, it is forgotten for good.
    port.addEventListener('close', () => this.#forget(reader));
    this.#send(reader, { kind: 'link', link: this.#connection.link });
  }

  /** To call every {@link LOOK_MS}. */
  lookAtReaders(): void {
    for (const reader of this.#readers.values()) {
      reader.missed += 1;
      if (reader.missed <= MOST_MISSED || reader.isAway) continue;
      reader.isAway = true;
      this.#connection.changed();
    }
  }

  /** Ends everything; a worker never does. */
  close(): void {
    for (const timer of this.#retries) clearTimeout(timer);
    for (const reader of [...this.#readers.values()]) this.#forget(reader);
    this.#connection.close();
  }

  wanted(): readonly Wanted[] {
    return this.#followed.wanted();
  }

  onLink(link: Link): void {
    for (const reader of this.#readers.values()) this.#send(reader, { kind: 'link', link });
  }

  onEvent(id: string, event: StreamEvent): void {
    const followed = this.#followed.get(id);
    if (followed === undefined) return;
    if (event.event === 'refused') return this.onRefused(id, (event['problem'] ?? {}) as ProblemFields);
    if (event.seq !== null && event.seq !== undefined) followed.after = event.seq;
    followed.refusals = 0;
    followed.news = event.event === 'counts' ? event : undefined;
    this.#pass(followed, event);
    if (event.event === 'closed') this.#end(id);
  }

  /** What passes by itself is asked again later; the rest is over. */
  onRefused(id: string, problem: ProblemFields): void {
    const followed = this.#followed.get(id);
    if (followed === undefined) return;
    const isPassing = problem.retryable === true || problem.code === 'conflict';
    const event = refusal(problem, isPassing);
    this.#pass(followed, event);
    if (!isPassing) return this.#end(id);
    followed.news = event;
    followed.refusals += 1;
    followed.isHeld = true;
    this.#askLater(followed);
    this.#connection.changed();
  }

  /** What is over leaves room for what waits. */
  #end(id: string): void {
    this.#followed.delete(id);
    this.#connection.changed();
  }

  #askLater(followed: Followed<Reader>): void {
    const pauseMs = Math.min(LAST_RETRY_MS, this.#firstRetryMs * 2 ** (followed.refusals - 1));
    const timer = setTimeout(() => {
      this.#retries.delete(timer);
      followed.isHeld = false;
      this.#followed.moveToEnd(followed);
      this.#connection.changed();
    }, pauseMs);
    this.#retries.add(timer);
  }

  #hear(reader: Reader, message: ToStream): void {
    reader.missed = 0;
    if (reader.isAway) this.#bringBack(reader);
    switch (message.kind) {
      case 'reader':
        this.addReader(message.port);
        break;
      case 'subscribe':
        this.#subscribe(reader, message.key, message.subscription);
        break;
      case 'unsubscribe':
        this.#unsubscribe(reader, message.key);
        break;
      case 'bye':
        this.#forget(reader);
        break;
      case 'wake':
        this.#connection.wake();
    }
  }

  #subscribe(reader: Reader, key: string, subscription: Subscription): void {
    this.#unsubscribe(reader, key);
    const followed = this.#followed.follow({ reader, key }, subscription);
    if (followed.news !== undefined) this.#send(reader, { kind: 'event', key, event: followed.news });
    this.#tellWhereFull(reader, [followed]);
    this.#connection.changed();
  }

  #unsubscribe(reader: Reader, key: string): void {
    // Also the sign of life of a reader, which must not begin a connection that was refused.
    if (this.#followed.unfollow((one) => one.reader === reader && one.key === key)) this.#connection.changed();
  }

  /** It goes on after the last events that it was told; of what is shared, with the newest. */
  #bringBack(reader: Reader): void {
    reader.isAway = false;
    const own = this.#followed.of(reader);
    for (const one of own) {
      if (one.followers.size === 1) this.#followed.moveToEnd(one);
      if (one.news !== undefined) this.#pass(one, one.news);
    }
    this.#send(reader, { kind: 'link', link: this.#connection.link });
    this.#tellWhereFull(reader, own);
    this.#connection.changed();
  }

  #tellWhereFull(reader: Reader, subscribed: readonly Followed<Reader>[]): void {
    const wanted = new Set(this.#followed.wanted());
    for (const one of subscribed) {
      if (one.isHeld || wanted.has(one)) continue;
      for (const { reader: of, key } of one.followers) {
        if (of === reader) this.#send(reader, { kind: 'event', key, event: refusal(FULL, true) });
      }
    }
  }

  #forget(reader: Reader): void {
    if (!this.#readers.delete(reader.port)) return;
    if (this.#followed.unfollow((one) => one.reader === reader)) this.#connection.changed();
    reader.port.close();
  }

  #pass(followed: Followed<Reader>, event: StreamEvent): void {
    for (const { reader, key } of followed.followers) this.#send(reader, { kind: 'event', key, event });
  }

  #send(reader: Reader, message: FromStream): void {
    if (!reader.isAway) reader.port.postMessage(message);
  }
}

function refusal(problem: ProblemFields, isPassing: boolean): StreamEvent {
  return { event: 'refused', seq: null, problem, ...(isPassing ? { isPassing } : {}) };
}
