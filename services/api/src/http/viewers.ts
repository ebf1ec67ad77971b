import type { ServerResponse } from 'node:http';
import { EVENT_TYPES, type EventFormat } from '@muster/api-contract';
import { AppError } from '@muster/protocol';
import type { OperatorTokenRecord } from '@muster/records';
import type { Clock, Logger } from '@muster/runtime';
import type { Principal } from './principal.js';
import type { HttpMetrics } from './http-metrics.js';
import { DrainWriter, type WriteOutcome } from './drain-writer.js';
import type { StreamAnswer } from './operation.js';

export interface ViewersOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Finds out whether the token of a viewer is still valid. */
  readonly tokens: { find(tokenId: string): Pick<OperatorTokenRecord, 'revokedAtMs' | 'expiresAtMs'> | undefined };
  readonly metrics: HttpMetrics;
  readonly maxViewers: number;
  readonly heartbeatMs?: number;
  readonly stallMs?: number;
}

/** What a viewer is to be told next. */
export type StreamItem =
  | {
      readonly kind: 'event';
      readonly name: string;
      /** What a viewer that comes back gives to go on after it; an event without one is told again. */
      readonly id?: number;
      /** The event's JSON on one line, in pieces: an event may be large, and a viewer must never cost more than what is on its way to it. */
      readonly pieces: Iterable<string>;
      /** How the stream ends with this event, where that is not `ended`. */
      readonly how?: 'interrupted';
    }
  /** Nothing, but that the connection lives. */
  | { readonly kind: 'idle' };

export interface View {
  /** Who looks, for as long as they may. */
  readonly principal: Pick<Principal, 'kind' | 'id'>;
  readonly format: EventFormat;
  /** For the log: the id of what is looked at. */
  readonly subject: string;
  /** Pulled; ends after the last event. Says `idle` at least every `heartbeatMs` when it has nothing else to say. */
  readonly events: (signal: AbortSignal, heartbeatMs: number) => AsyncIterable<StreamItem>;
}

interface OpenView {
  readonly principal: View['principal'];
  readonly gone: AbortController;
}

/**
 * Streams of events to people. Each viewer pulls for themselves, no faster than their socket drains, so one that stops reading holds a few
 * entries and one slice of text, delays nobody, and is cut off after a minute.
 */
export class Viewers {
  readonly #options: ViewersOptions;
  readonly #open = new Map<ServerResponse, OpenView>();
  #stopping = false;

  constructor(options: ViewersOptions) {
    this.#options = options;
  }

  /** Throws `rate_limited` when as many look as this process can serve, `draining` when it stops. */
  admit(): void {
    if (this.#stopping) throw new AppError('draining', 'the server is stopping; connect again');
    if (this.#open.size < this.#options.maxViewers) return;
    this.#options.metrics.viewersRefused.inc();
    throw new AppError('rate_limited', `${this.#open.size} streams are open, and no more can be`, {
      details: { retryAfterMs: 5_000 },
    });
  }

  /** The stream as the answer to a request. Throws as {@link admit} does. */
  answer(view: View): StreamAnswer {
    this.admit();
    return {
      kind: 'stream',
      status: 200,
      // The last one keeps nginx from gathering what should arrive now.
      headers: { 'content-type': `${EVENT_TYPES[view.format]}; charset=utf-8`, 'x-accel-buffering': 'no' },
      write: (response) => this.show(view, response),
    };
  }

  /** Writes the events until the last one. Resolves however it ends; rejects only for what is a bug. */
  async show(view: View, response: ServerResponse): Promise<void> {
    const { clock, metrics, heartbeatMs = 10_000, stallMs = 60_000 } = this.#options;
    const { format, principal } = view;
    const gone = new AbortController();
    const writer = new DrainWriter(response, { clock, stallMs });
    this.#open.set(response, { principal, gone });
    metrics.viewers.inc({ format });
    response.on('close', () => gone.abort('closed'));
    let how = 'ended';
    try {
      response.flushHeaders();
      let wroteMs = clock.monotonic();
      for await (const item of view.events(gone.signal, heartbeatMs)) {
        const over = this.#whyOver(principal);
        if (over !== undefined) gone.abort(over);
        if (gone.signal.aborted) break;
        if (item.kind === 'idle' && clock.monotonic() - wroteMs < heartbeatMs) continue;
        const written = await writeItem(item, format, writer);
        wroteMs = clock.monotonic();
        if (written !== 'written') how = written;
        if (written !== 'written') break;
        if (item.kind === 'event' && item.how !== undefined) how = item.how;
      }
      if (gone.signal.aborted && how === 'ended') how = String(gone.signal.reason);
      response.end();
    } catch (error) {
      how = 'failed';
      throw error;
    } finally {
      this.#open.delete(response);
      metrics.viewers.dec({ format });
      metrics.viewersEnded.inc({ how });
      if (how === 'stalled')
        this.#options.logger.warn('viewer that stopped reading cut off', { subject: view.subject });
    }
  }

  /** Ends the streams that were opened with this token: what it allowed is over. */
  endOfToken(tokenId: string): void {
    for (const { principal, gone } of this.#open.values()) {
      if (principal.kind === 'token' && principal.id === tokenId) gone.abort('revoked');
    }
  }

  /** Ends all streams; viewers connect again elsewhere and go on from the last event they saw. */
  stop(): void {
    this.#stopping = true;
    for (const response of this.#open.keys()) response.destroy();
  }

  /** A token's end, looked at again before each event: it may have come between the request and the stream. */
  #whyOver({ kind, id }: View['principal']): 'revoked' | 'expired' | undefined {
    const record = kind === 'token' ? this.#options.tokens.find(id) : undefined;
    if (record?.revokedAtMs !== undefined) return 'revoked';
    return (record?.expiresAtMs ?? Infinity) <= this.#options.clock.now() ? 'expired' : undefined;
  }
}

async function writeItem(item: StreamItem, format: EventFormat, writer: DrainWriter): Promise<WriteOutcome> {
  const sse = format === 'sse';
  if (item.kind === 'idle') {
    await writer.write(sse ? ': heartbeat\n\n' : '{"event":"heartbeat"}\n');
    return await writer.flush();
  }
  if (sse) await writer.write(`${item.id === undefined ? '' : `id: ${item.id}\n`}event: ${item.name}\ndata: `);
  for (const piece of item.pieces) {
    const written = await writer.write(piece);
    if (written !== 'written') return written;
  }
  await writer.write(sse ? '\n\n' : '\n');
  return await writer.flush();
}

/** The event after which a reader goes on: `Last-Event-ID` wins over `after`. Throws `bad_request`. */
export function lastSeen(header: string | undefined, after: number | undefined): number {
  if (header === undefined || header === '') return after ?? 0;
  if (!/^\d{1,15}$/.test(header)) throw new AppError('bad_request', 'Last-Event-ID is not the id of an event');
  return Number(header);
}
