import { AppError } from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime';
import { asAppError, problemBody } from '../http/problems.js';
import type { StreamItem } from '../http/viewers.js';

/** Opens the events of one subscription. Throws an `AppError` where its viewer may not have them, or they do not exist. */
export type OpenEvents = (signal: AbortSignal, heartbeatMs: number) => Promise<AsyncIterable<StreamItem>>;

type StreamEvent = StreamItem & { readonly kind: 'event' };

interface Subscription {
  readonly controller: AbortController;
}

/** The next item of one subscription, and who waits until it has been written. */
interface Offer {
  readonly item: StreamEvent;
  readonly signal: AbortSignal;
  readonly taken: () => void;
}

export interface MultiplexerOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** How often a source without events looks whether it is still wanted. */
  readonly lookMs?: number;
}

/**
 * The events of several subscriptions as one stream. Each subscription is at most one item ahead of what was written, and those that have
 * one take turns: a query with a million rows does not keep the others waiting, and a slow reader costs one item for each.
 */
export class Multiplexer {
  readonly #options: MultiplexerOptions;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #ending = new Set<Promise<void>>();
  #offers: Offer[] = [];
  #wake: (() => void) | undefined;

  constructor(options: MultiplexerOptions) {
    this.#options = options;
  }

  get ids(): string[] {
    return [...this.#subscriptions.keys()];
  }

  /** Takes the place of a subscription with the same id. `onEnd` is called once, when it has ended for whatever reason. */
  add(id: string, open: OpenEvents, onEnd: () => void): void {
    this.remove(id);
    const controller = new AbortController();
    const done = this.#pump(id, open, controller).finally(() => {
      onEnd();
      if (this.#subscriptions.get(id)?.controller === controller) this.#subscriptions.delete(id);
      this.#ending.delete(done);
    });
    this.#ending.add(done);
    this.#subscriptions.set(id, { controller });
  }

  remove(id: string): void {
    const subscription = this.#subscriptions.get(id);
    if (subscription === undefined) return;
    this.#subscriptions.delete(id);
    subscription.controller.abort();
  }

  /** Everything that comes until the signal is aborted; then all subscriptions end. */
  async *events(first: StreamItem, signal: AbortSignal, heartbeatMs: number): AsyncGenerator<StreamItem> {
    try {
      yield first;
      while (!signal.aborted) {
        const offer = this.#offers.shift();
        if (offer === undefined) {
          if (!(await this.#offered(heartbeatMs))) yield { kind: 'idle' };
          continue;
        }
        if (!offer.signal.aborted) yield { ...offer.item, ...more(this.#offers.length > 0) };
        // It is written: its source may make the next one.
        offer.taken();
      }
    } finally {
      for (const id of this.ids) this.remove(id);
      await Promise.all(this.#ending);
    }
  }

  async #pump(id: string, open: OpenEvents, { signal }: AbortController): Promise<void> {
    try {
      for await (const item of await open(signal, this.#options.lookMs ?? 1_000)) {
        if (signal.aborted) return;
        if (item.kind === 'event') await this.#offer(wrapped(id, item), signal);
      }
      if (!signal.aborted) await this.#offer(own(id, 'closed', {}), signal);
    } catch (thrown) {
      if (signal.aborted) return;
      if (!AppError.is(thrown)) this.#options.logger.error('a subscription failed', { err: thrown });
      await this.#offer(own(id, 'refused', { problem: problemBody(asAppError(thrown)) }), signal);
    }
  }

  /** Resolves when it has been written, or is not wanted any more. */
  #offer(item: StreamEvent, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const taken = (): void => {
        signal.removeEventListener('abort', taken);
        resolve();
      };
      signal.addEventListener('abort', taken);
      this.#offers.push({ item, signal, taken });
      this.#wake?.();
      if (signal.aborted) taken();
    });
  }

  /** Whether something has been offered within the time. */
  async #offered(withinMs: number): Promise<boolean> {
    const { clock } = this.#options;
    return await new Promise((resolve) => {
      const done = (isOffered: boolean): void => {
        clock.clear(timer);
        this.#wake = undefined;
        resolve(isOffered);
      };
      const timer = clock.setTimeout(() => done(false), withinMs);
      this.#wake = () => done(true);
    });
  }
}

const more = (hasMore: boolean): { readonly hasMore?: true } => (hasMore ? { hasMore } : {});

/** The event in its envelope, without an event id: each subscription goes on after its own `seq`. */
function wrapped(id: string, { name, pieces }: StreamEvent): StreamEvent {
  return { kind: 'event', name, pieces: enveloped(id, pieces) };
}

function* enveloped(id: string, pieces: StreamEvent['pieces']): Generator<string | Uint8Array> {
  yield `{"sub":${JSON.stringify(id)},"event":`;
  yield* pieces;
  yield '}';
}

function own(id: string, event: 'closed' | 'refused', rest: Readonly<Record<string, unknown>>): StreamEvent {
  return wrapped(id, { kind: 'event', name: event, pieces: [JSON.stringify({ event, seq: null, ...rest })] });
}
