import { ApiProblem, jsonValues, type ApiClient } from '@muster/api-client';
import type { FromStream, Link, StreamEvent, Subscription, ToStream } from './protocol.js';

/** The server says something every 10 s; after so long the connection counts as gone. */
const SILENCE_MS = 25_000;
const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 15_000;
/** A reader that said nothing for so long is gone without a word: its tab has crashed. */
const READER_SILENCE_MS = 150_000;

interface Followed {
  readonly id: string;
  readonly reader: MessagePort;
  readonly key: string;
  readonly subscription: Subscription;
  /** The last event that was passed on. */
  after?: number | string | undefined;
}

interface Message {
  readonly sub: string | null;
  readonly event: StreamEvent & { readonly stream?: string };
}

/**
 * Holds the one stream of a browser and passes its events to readers. A connection that is lost or silent is replaced by another, which goes
 * on after the last event of each subscription.
 *
 *     idle ──first subscription──▶ opening ──▶ open ──lost──▶ pause ──▶ opening …
 */
export class StreamHub {
  readonly #client: ApiClient;
  readonly #readers = new Map<MessagePort, number>();
  readonly #followed = new Map<string, Followed>();
  #ids = 0;
  #link: Link = { state: 'idle' };
  #streamId: string | undefined;
  #connection: AbortController | undefined;
  #pause: { readonly timer: ReturnType<typeof setTimeout> } | undefined;
  #failures = 0;
  #heardAt = 0;
  #changes: { add: Followed[]; remove: string[] } | undefined;

  constructor(client: ApiClient) {
    this.#client = client;
  }

  /** Takes a reader, which then subscribes by messages. */
  addReader(port: MessagePort): void {
    this.#readers.set(port, Date.now());
    port.onmessage = ({ data }: MessageEvent<ToStream>) => this.#hear(port, data);
    this.#send(port, { kind: 'link', link: this.#link });
  }

  #hear(reader: MessagePort, message: ToStream): void {
    this.#readers.set(reader, Date.now());
    switch (message.kind) {
      case 'reader':
        this.addReader(message.port);
        break;
      case 'subscribe':
        this.#subscribe(reader, message.key, message.subscription);
        break;
      case 'unsubscribe':
        this.#unsubscribe((one) => one.reader === reader && one.key === message.key);
        break;
      case 'bye':
        this.#forget(reader);
        break;
      case 'wake':
        this.#wake();
    }
  }

  #subscribe(reader: MessagePort, key: string, subscription: Subscription): void {
    this.#unsubscribe((one) => one.reader === reader && one.key === key);
    this.#ids += 1;
    const followed = { id: String(this.#ids), reader, key, subscription };
    this.#followed.set(followed.id, followed);
    this.#change().add.push(followed);
  }

  #unsubscribe(matches: (one: Followed) => boolean): void {
    for (const one of this.#followed.values()) {
      if (!matches(one)) continue;
      this.#followed.delete(one.id);
      this.#change().remove.push(one.id);
    }
  }

  #forget(reader: MessagePort): void {
    this.#unsubscribe((one) => one.reader === reader);
    this.#readers.delete(reader);
    reader.close();
  }

  /** Changes of one moment go in one call. */
  #change(): { add: Followed[]; remove: string[] } {
    if (this.#changes === undefined) {
      this.#changes = { add: [], remove: [] };
      queueMicrotask(() => void this.#sendChanges());
    }
    return this.#changes;
  }

  async #sendChanges(): Promise<void> {
    const changes = this.#changes;
    this.#changes = undefined;
    if (changes === undefined) return;
    if (this.#connection === undefined) {
      if (this.#pause === undefined && this.#followed.size > 0) void this.#connect();
      return;
    }
    const streamId = this.#streamId;
    // Not open yet: what is subscribed when it opens is compared then.
    if (streamId === undefined) return;
    const add = changes.add.filter(({ id }) => this.#followed.has(id)).map(wireOf);
    try {
      const body = { add, remove: changes.remove };
      const path = `/v1/stream/${encodeURIComponent(streamId)}`;
      const response = await this.#client.fetch(path, {
        method: 'POST',
        body,
        signal: AbortSignal.timeout(SILENCE_MS),
      });
      if (!response.ok) throw new Error(`the stream answered ${response.status}`);
    } catch {
      // It is gone, or nobody knows: a new one has everything.
      this.#connection?.abort();
    }
  }

  async #connect(): Promise<void> {
    const connection = new AbortController();
    this.#connection = connection;
    const asked = [...this.#followed.values()];
    let why = 'the connection ended';
    try {
      const response = await this.#client.fetch('/v1/stream', {
        method: 'POST',
        body: { subscriptions: asked.map(wireOf) },
        headers: { accept: 'text/event-stream' },
        signal: connection.signal,
      });
      if (response.status === 401) return this.#signedOut();
      if (!response.ok) throw new ApiProblem(response.status, {});
      await this.#read(response, connection.signal, new Set(asked.map(({ id }) => id)));
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
    } finally {
      if (this.#connection === connection) this.#connection = undefined;
      this.#streamId = undefined;
    }
    this.#lost(why);
  }

  async #read(response: Response, signal: AbortSignal, asked: ReadonlySet<string>): Promise<void> {
    for await (const value of jsonValues(response, SILENCE_MS, signal)) {
      const { sub, event } = value as Message;
      this.#heardAt = Date.now();
      if (event.event === 'open') {
        this.#streamId = event.stream;
        this.#failures = 0;
        this.#tell({ state: 'open' });
        this.#catchUp(asked);
      } else if (sub !== null) this.#pass(sub, event);
      this.#dropSilent();
    }
  }

  /** What changed while the stream was opened. */
  #catchUp(asked: ReadonlySet<string>): void {
    const added = [...this.#followed.values()].filter(({ id }) => !asked.has(id));
    const removed = [...asked].filter((id) => !this.#followed.has(id));
    if (added.length > 0) this.#change().add.push(...added);
    if (removed.length > 0) this.#change().remove.push(...removed);
  }

  #pass(id: string, event: StreamEvent): void {
    const followed = this.#followed.get(id);
    if (followed === undefined) return;
    if (event.seq !== null && event.seq !== undefined) followed.after = event.seq;
    this.#send(followed.reader, { kind: 'event', key: followed.key, event });
    if (event.event === 'closed' || event.event === 'refused') this.#followed.delete(id);
  }

  #lost(why: string): void {
    if (this.#followed.size === 0) return this.#tell({ state: 'idle' });
    this.#failures += 1;
    if (this.#link.state !== 'lost') this.#tell({ state: 'lost', since: this.#heardAt || Date.now(), why });
    const most = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#failures - 1));
    this.#schedule(most / 2 + (Math.random() * most) / 2);
  }

  #schedule(ms: number): void {
    clearTimeout(this.#pause?.timer);
    const timer = setTimeout(() => {
      this.#pause = undefined;
      if (this.#connection === undefined) void this.#connect();
    }, ms);
    this.#pause = { timer };
  }

  #signedOut(): void {
    this.#connection = undefined;
    this.#tell({ state: 'signed_out' });
  }

  /** A tab is seen again, or somebody has signed in: timers may have slept, so look at once. */
  #wake(): void {
    if (this.#followed.size === 0) return;
    if (this.#connection === undefined) this.#schedule(0);
    else if (this.#streamId !== undefined && Date.now() - this.#heardAt > SILENCE_MS) this.#connection.abort();
  }

  #dropSilent(): void {
    const before = Date.now() - READER_SILENCE_MS;
    for (const [reader, heardAt] of this.#readers) if (heardAt < before) this.#forget(reader);
  }

  #tell(link: Link): void {
    this.#link = link;
    for (const reader of this.#readers.keys()) this.#send(reader, { kind: 'link', link });
  }

  #send(reader: MessagePort, message: FromStream): void {
    reader.postMessage(message);
  }
}

function wireOf({ id, subscription, after }: Followed): Record<string, unknown> {
  return { id, ...subscription, ...(after === undefined ? {} : { after }) };
}
