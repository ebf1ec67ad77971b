import { ApiClient, type FetchLike } from '@muster/api-client';
import { MAX_SUBSCRIPTIONS } from '@muster/api-contract';
import type { StreamEvent } from '../protocol.js';

interface Asked {
  readonly id: string;
  readonly kind: string;
  readonly selector?: string;
  readonly after?: number;
}

/** What a test waits for, looked at after each change. */
export class Changes {
  #listeners: (() => void)[] = [];

  changed(): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const listener of listeners) listener();
  }

  async until(check: () => boolean): Promise<void> {
    while (!check()) await new Promise<void>((resolve) => this.#listeners.push(resolve));
  }
}

/** `/v1/stream` as the contract has it, in one process: at most so many subscriptions, and none with the selector `bad`. */
export class FakeStreamApi extends Changes {
  readonly client = new ApiClient({ url: 'https://muster.example', fetch: (...given) => this.#fetch(...given) });
  /** What the open stream has, by id. */
  readonly has = new Map<string, Asked>();
  /** Streams that were opened, changes that were asked for, and the statuses of what was refused. */
  opened = 0;
  changes = 0;
  readonly refused: number[] = [];
  isSignedOut = false;
  /** So many calls find nobody. */
  away = 0;
  /** Changes hang until their caller gives up: how many do, and how many were given up. */
  isHolding = false;
  held = 0;
  givenUp = 0;
  #out: ReadableStreamDefaultController<Uint8Array> | undefined;

  /** Sends an event of the only subscription of a kind. */
  send(kind: string, event: StreamEvent): void {
    const [sub] = [...this.has.values()].filter((one) => one.kind === kind);
    if (sub === undefined) throw new Error(`nobody follows ${kind}`);
    if (event.event === 'refused' || event.event === 'closed') this.has.delete(sub.id);
    this.#write({ sub: sub.id, event });
  }

  /** Cuts the connection. */
  cut(): void {
    this.#out?.error(new TypeError('the connection was reset'));
  }

  #fetch(url: string, { body = '{}', signal }: Parameters<FetchLike>[1]): Promise<Response> {
    if (this.away > 0) {
      this.away -= 1;
      return Promise.reject(new TypeError('the connection was refused'));
    }
    const isOpening = url.endsWith('/v1/stream');
    if (this.isHolding && !isOpening) return this.#hold(signal);
    const given = JSON.parse(body) as { subscriptions?: Asked[]; add?: Asked[]; remove?: string[] };
    const { subscriptions = [], add = subscriptions, remove = [] } = given;
    const status = this.#statusFor(isOpening ? add.length : this.has.size + add.length - remove.length, add);
    if (status !== 200) {
      this.refused.push(status);
      this.changed();
      const code = status === 409 ? 'conflict' : 'bad_selector';
      return Promise.resolve(Response.json({ code, detail: code }, { status }));
    }
    if (isOpening) {
      this.has.clear();
      this.opened += 1;
    } else this.changes += 1;
    for (const id of remove) this.has.delete(id);
    for (const one of add) this.has.set(one.id, one);
    const response = isOpening ? this.#open(signal) : Response.json({ subscriptions: [...this.has.keys()] });
    this.changed();
    return Promise.resolve(response);
  }

  #hold(signal: AbortSignal | undefined): Promise<Response> {
    this.held += 1;
    this.changed();
    return new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => {
        this.givenUp += 1;
        reject(new TypeError('given up'));
      });
    });
  }

  #statusFor(count: number, add: readonly Asked[]): number {
    if (this.isSignedOut) return 401;
    if (add.length > MAX_SUBSCRIPTIONS || add.some(({ selector }) => selector === 'bad')) return 400;
    return count > MAX_SUBSCRIPTIONS ? 409 : 200;
  }

  #open(signal: AbortSignal | undefined): Response {
    const events = new ReadableStream<Uint8Array>({ start: (out) => void (this.#out = out) });
    const out = this.#out;
    signal?.addEventListener('abort', () => out?.error(signal.reason));
    this.#write({ sub: null, event: { event: 'open', seq: null, stream: `s${this.opened}` } });
    return new Response(events, { headers: { 'content-type': 'text/event-stream' } });
  }

  #write(message: object): void {
    this.#out?.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(message)}\n\n`));
  }
}

/** A tab: the other side of a port of the hub. */
export class FakeTab extends Changes {
  readonly port: MessagePort;
  readonly hubPort: MessagePort;
  readonly events: (StreamEvent & { readonly key: string })[] = [];
  links: string[] = [];

  constructor() {
    super();
    const { port1, port2 } = new MessageChannel();
    this.port = port1;
    this.hubPort = port2;
    port1.onmessage = ({ data }: MessageEvent) => {
      if (data.kind === 'event') this.events.push({ ...data.event, key: data.key });
      else this.links.push(data.link.state);
      this.changed();
    };
  }

  follow(key: string, subscription: object): void {
    this.port.postMessage({ kind: 'subscribe', key, subscription });
  }
  unfollow(key: string): void {
    this.port.postMessage({ kind: 'unsubscribe', key });
  }
  /** The names of the events under a key. */
  named(key: string): readonly string[] {
    return this.events.filter((event) => event.key === key).map(({ event }) => event);
  }
}
