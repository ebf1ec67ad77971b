import { randomBytes } from 'node:crypto';
import { MAX_SUBSCRIPTIONS, type Subscription } from '@muster/api-contract';
import type { Bus, BusSubscription } from '@muster/bus';
import { decodeBusMessage, encodeBusMessage, SUBJECTS, type StreamChange, type StreamChanged } from '@muster/messages';
import { AppError } from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime';
import type { Principal } from '../http/principal.js';
import { HOLDERS, type Shares } from '../http/shares.js';
import type { StreamItem } from '../http/viewers.js';
import { Multiplexer } from './multiplexer.js';
import type { SubscriptionSources, Viewer } from './subscription-sources.js';

export interface OpenStreamsOptions {
  readonly bus: Pick<Bus, 'subscribe' | 'request'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sources: Pick<SubscriptionSources, 'of'>;
  /** The subscriptions that are open: each reads as a stream of its own does. */
  readonly shares: Shares;
}

export interface Change {
  readonly add: readonly Subscription[];
  readonly remove: readonly string[];
}

interface OpenStream {
  readonly viewer: Viewer;
  readonly multiplexer: Multiplexer;
}

const ASK_MS = 2_000;

/** The multiplexed streams of this process. A change that reaches another process is passed on to the one that has the stream. */
export class OpenStreams {
  readonly #options: OpenStreamsOptions;
  readonly #process = randomBytes(8).toString('hex');
  readonly #open = new Map<string, OpenStream>();
  #subscription: BusSubscription | undefined;

  constructor(options: OpenStreamsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#subscription = this.#options.bus.subscribe(SUBJECTS.apiCalls(this.#process), ({ data, reply }) => {
      const asked = decodeBusMessage<StreamChange>(data, 'stream_change');
      if (asked === undefined) return;
      // Checked by the process that asks; it sends what the schema of the contract has made of it.
      const change = { add: asked.add as unknown as readonly Subscription[], remove: asked.remove };
      reply?.(encodeBusMessage(this.#changed(asked.stream, asked.owner, change)));
    });
  }

  stop(): void {
    this.#subscription?.unsubscribe();
  }

  /** A new stream with its first subscriptions, until the signal is aborted. */
  async *events(
    viewer: Viewer,
    subscriptions: readonly Subscription[],
    { signal, heartbeatMs }: { readonly signal: AbortSignal; readonly heartbeatMs: number },
  ): AsyncGenerator<StreamItem> {
    const { clock, logger } = this.#options;
    const id = `${this.#process}.${randomBytes(16).toString('hex')}`;
    const stream = { viewer, multiplexer: new Multiplexer({ clock, logger }) };
    this.#open.set(id, stream);
    try {
      for (const subscription of subscriptions) this.#add(stream, subscription);
      yield* stream.multiplexer.events(opened(id), signal, heartbeatMs);
    } finally {
      this.#open.delete(id);
    }
  }

  /**
   * Changes a stream of this caller, in whichever process it is. Throws `not_found`, `conflict` when it would have too many subscriptions.
   */
  async change(principal: Principal, id: string, change: Change): Promise<readonly string[]> {
    const owner = ownerOf(principal);
    const process = id.slice(0, id.indexOf('.'));
    const result =
      process === this.#process ? this.#changed(id, owner, change) : await this.#ask(process, id, owner, change);
    if (result?.result === 'changed') return result.subscriptions;
    if (result?.result === 'too_many') {
      throw new AppError('conflict', `a stream has at most ${MAX_SUBSCRIPTIONS} subscriptions; remove some`);
    }
    throw new AppError('not_found', 'you have no such stream open; open another one');
  }

  async #ask(process: string, stream: string, owner: string, change: Change): Promise<StreamChanged | undefined> {
    const { add, remove } = change;
    const request = encodeBusMessage({ t: 'stream_change', stream, owner, add, remove });
    const reply = await this.#options.bus.request(SUBJECTS.apiCalls(process), request, { timeoutMs: ASK_MS });
    return reply.kind === 'reply' ? decodeBusMessage<StreamChanged>(reply.data, 'stream_changed') : undefined;
  }

  #changed(id: string, owner: string, { add, remove }: Change): StreamChanged {
    const stream = this.#open.get(id);
    if (stream === undefined || ownerOf(stream.viewer.principal) !== owner) {
      return { t: 'stream_changed', result: 'unknown', subscriptions: [] };
    }
    const { multiplexer } = stream;
    const after = new Set([
      ...multiplexer.ids.filter((known) => !remove.includes(known)),
      ...add.map((each) => each.id),
    ]);
    if (after.size > MAX_SUBSCRIPTIONS) return { t: 'stream_changed', result: 'too_many', subscriptions: [] };
    for (const known of remove) multiplexer.remove(known);
    for (const subscription of add) this.#add(stream, subscription);
    return { t: 'stream_changed', result: 'changed', subscriptions: multiplexer.ids };
  }

  #add({ viewer, multiplexer }: OpenStream, subscription: Subscription): void {
    const { shares, sources } = this.#options;
    const { principal } = viewer;
    // What it replaces is over first.
    multiplexer.remove(subscription.id);
    const bound = shares.reachedBy(principal);
    if (bound !== undefined) {
      const refused = (): Promise<never> =>
        Promise.reject(
          new AppError('rate_limited', `${HOLDERS[bound]} as many subscriptions open as are allowed`, {
            details: { retryAfterMs: 5_000 },
          }),
        );
      multiplexer.add(subscription.id, refused, () => undefined);
      return;
    }
    shares.take(principal);
    multiplexer.add(subscription.id, sources.of(subscription, viewer), () => shares.release(principal));
  }
}

/** Whose stream it is. A session's is that session's alone. */
function ownerOf({ org, kind, id, sessionId = '' }: Principal): string {
  return [org, kind, id, sessionId].join(' ');
}

function opened(stream: string): StreamItem {
  const event = { event: 'open', seq: null, stream };
  return { kind: 'event', name: 'open', pieces: [JSON.stringify({ sub: null, event })] };
}
