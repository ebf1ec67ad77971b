import { client } from '../api/client.js';
import type { FromStream, Link, StreamEvent, Subscription, ToStream } from './protocol.js';
import { LOOK_MS, StreamHub } from './stream-hub.js';

/** Readers that live say so this often. */
const PING_MS = 20_000;

/** The page's own reader; through it others are introduced. */
let own: StreamReader | undefined;

/** A port at which the stream's events are read: for a worker. */
export function streamPort(): MessagePort {
  const { port1, port2 } = new MessageChannel();
  pageStream().introduce(port1);
  return port2;
}

/** The stream as this page reads it. */
export function pageStream(): StreamReader {
  own ??= new StreamReader(firstPort());
  return own;
}

/** One worker for all tabs where the browser has shared workers; else this tab holds a stream of its own. */
function firstPort(): MessagePort {
  if (typeof SharedWorker !== 'undefined') {
    const worker = new SharedWorker(new URL('./stream-worker.ts', import.meta.url), { type: 'module', name: 'muster' });
    return worker.port;
  }
  const { port1, port2 } = new MessageChannel();
  const hub = new StreamHub(client);
  setInterval(() => hub.lookAtReaders(), LOOK_MS);
  hub.addReader(port1);
  return port2;
}

export class StreamReader {
  readonly #port: MessagePort;
  readonly #handlers = new Map<string, (event: StreamEvent) => void>();
  readonly #listeners = new Set<() => void>();
  #keys = 0;
  #link: Link = { state: 'idle' };

  constructor(port: MessagePort) {
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<FromStream>) => {
      if (data.kind === 'event') this.#handlers.get(data.key)?.(data.event);
      else {
        this.#link = data.link;
        for (const listener of this.#listeners) listener();
      }
    };
    // A subscribe under a name of nobody's is a sign of life.
    setInterval(() => this.#post({ kind: 'unsubscribe', key: '' }), PING_MS);
    globalThis.addEventListener('pagehide', () => this.#post({ kind: 'bye' }));
    globalThis.addEventListener('pageshow', ({ persisted }) => {
      if (persisted) globalThis.location.reload();
    });
    globalThis.addEventListener('online', () => this.wake());
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'visible') this.wake();
    });
  }

  /** Follows something until the function that is returned is called. */
  follow(subscription: Subscription, onEvent: (event: StreamEvent) => void): () => void {
    this.#keys += 1;
    const key = String(this.#keys);
    this.#handlers.set(key, onEvent);
    this.#post({ kind: 'subscribe', key, subscription });
    return () => {
      this.#handlers.delete(key);
      this.#post({ kind: 'unsubscribe', key });
    };
  }

  readonly onLink = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  readonly link = (): Link => this.#link;

  introduce(port: MessagePort): void {
    this.#port.postMessage({ kind: 'reader', port } satisfies ToStream, [port]);
  }
  /** Somebody has signed in, or the page is seen again. */
  wake(): void {
    this.#post({ kind: 'wake' });
  }

  #post(message: ToStream): void {
    this.#port.postMessage(message);
  }
}
