import type { ServerResponse } from 'node:http';
import { EVENT_TYPES, type EventFormat } from '@muster/api-contract';
import { AppError } from '@muster/protocol';
import type { OperatorTokenRecord } from '@muster/records';
import type { Clock, Logger } from '@muster/runtime';
import type { Principal } from './principal.js';
import type { HttpMetrics } from './http-metrics.js';
import { DrainWriter, type WriteOutcome } from './drain-writer.js';
import type { StreamAnswer } from './operation.js';
import { HOLDERS, Shares, type ShareBounds } from './shares.js';

export interface ViewersOptions {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Finds out whether the token of a viewer is still valid. */
  readonly tokens: { find(tokenId: string): Pick<OperatorTokenRecord, 'revokedAtMs' | 'expiresAtMs'> | undefined };
  /** Finds out whether the session of a viewer is over, or the secret that it was opened under. */
  readonly sessions?: {
    endOf(principal: Pick<Principal, 'sessionId' | 'sessionGeneration'>): 'revoked' | 'expired' | undefined;
  };
  readonly metrics: HttpMetrics;
  /** Whether the broker, where all events come from, answers. */
  readonly broker: { readonly reachable: boolean };
  /** How many event streams this process has open at most. */
  readonly bounds: ShareBounds;
  readonly heartbeatMs?: number;
  readonly stallMs?: number;
}

/** What an event stream writes next. */
export type StreamItem =
  | {
      readonly kind: 'event';
      readonly name: string;
      /** The event id, which a viewer gives to resume after this event. An event without one is sent again. */
      readonly id?: number;
      /** The event's JSON on one line, in pieces, so that a large event is never in memory as a whole; bytes are UTF-8. */
      readonly pieces: Iterable<string | Uint8Array>;
      /** Another one follows at once: this one may be written together with it. */
      readonly hasMore?: true;
      /** How the stream ends with this event, where that is not `ended`. */
      readonly how?: 'interrupted';
    }
  /** No event: a heartbeat is due. */
  | { readonly kind: 'idle' };

export interface View {
  /** The stream ends when the credentials of this principal are revoked or expire. */
  readonly principal: Pick<Principal, 'kind' | 'id' | 'org' | 'sessionId' | 'sessionGeneration'>;
  readonly format: EventFormat;
  /** The id of the query or command, for the log. */
  readonly subject: string;
  /** Ends after the last event. Yields `idle` at least every `heartbeatMs` while there is no event. */
  readonly events: (signal: AbortSignal, heartbeatMs: number) => AsyncIterable<StreamItem>;
}

/** A stream without events is looked at so often. */
const LOOK_MS = 500;

/** Told once when the broker does not answer: nobody knows how it stands until the next event. */
const STALLED: StreamItem & { readonly kind: 'event' } = {
  kind: 'event',
  name: 'stalled',
  pieces: [
    JSON.stringify({
      event: 'stalled',
      seq: null,
      code: 'broker_unavailable',
      message: 'the message broker does not answer; events go on when it does',
    }),
  ],
};

interface OpenView {
  readonly principal: View['principal'];
  readonly controller: AbortController;
}

/**
 * Event streams to API clients. Each viewer reads its own stream, no faster than its socket drains.
 * A viewer that stops reading holds a few entries and one slice of text, delays no other viewer, and is disconnected after a minute.
 */
export class Viewers {
  readonly #options: ViewersOptions;
  readonly #open = new Map<ServerResponse, OpenView>();
  readonly #shares: Shares;
  #stopping = false;

  constructor(options: ViewersOptions) {
    this.#options = options;
    this.#shares = new Shares(options.bounds);
  }

  /**
   * Throws `rate_limited` when the operator, the org or the process has all the streams that it may have, `draining`
   * when the process stops.
   */
  #admit(principal: View['principal']): void {
    if (this.#stopping) throw new AppError('draining', 'the server is stopping; connect again');
    const bound = this.#shares.reachedBy(principal);
    if (bound === undefined) return;
    this.#options.metrics.viewersRefused.inc({ bound });
    throw new AppError('rate_limited', `${HOLDERS[bound]} as many event streams open as are allowed`, {
      details: { retryAfterMs: 5_000 },
    });
  }

  /** The stream as the answer to a request. Throws `rate_limited` or `draining` when it cannot be opened. */
  answer(view: View): StreamAnswer {
    this.#admit(view.principal);
    return {
      kind: 'stream',
      status: 200,
      // The last header keeps nginx from buffering the stream.
      headers: { 'content-type': `${EVENT_TYPES[view.format]}; charset=utf-8`, 'x-accel-buffering': 'no' },
      write: (response) => this.show(view, response),
    };
  }

  /**
   * Writes the events until the last one. Resolves however the stream ends; rejects for bugs, and where others have taken the last stream
   * since the answer was made. Nothing is written by then.
   */
  async show(view: View, response: ServerResponse): Promise<void> {
    const { clock, metrics, heartbeatMs = 10_000, stallMs = 60_000 } = this.#options;
    const { format, principal } = view;
    this.#admit(principal);
    const controller = new AbortController();
    const writer = new DrainWriter(response, { clock, stallMs });
    this.#open.set(response, { principal, controller });
    this.#shares.take(principal);
    metrics.viewers.inc({ format });
    response.on('close', () => controller.abort('closed'));
    let how = 'ended';
    let isStalled = false;
    try {
      response.flushHeaders();
      let wroteMs = clock.monotonic();
      for await (const next of view.events(controller.signal, Math.min(heartbeatMs, LOOK_MS))) {
        const reason = this.#endReason(principal);
        if (reason !== undefined) controller.abort(reason);
        if (controller.signal.aborted) break;
        const stalls = next.kind === 'idle' && !this.#options.broker.reachable;
        const item = stalls && !isStalled ? STALLED : next;
        isStalled = stalls;
        if (item.kind === 'idle' && clock.monotonic() - wroteMs < heartbeatMs) continue;
        const written = await writeItem(item, format, writer);
        wroteMs = clock.monotonic();
        if (written !== 'written') how = written;
        if (written !== 'written') break;
        if (item.kind === 'event' && item.how !== undefined) how = item.how;
      }
      if (controller.signal.aborted && how === 'ended') how = String(controller.signal.reason);
      response.end();
    } catch (error) {
      how = 'failed';
      throw error;
    } finally {
      this.#open.delete(response);
      this.#shares.release(principal);
      metrics.viewers.dec({ format });
      metrics.viewersEnded.inc({ how });
      if (how === 'stalled')
        this.#options.logger.warn('viewer disconnected because it stopped reading', { subject: view.subject });
    }
  }

  /** Ends the streams that were opened with this token, because it was revoked. */
  endOfToken(tokenId: string): void {
    for (const { principal, controller } of this.#open.values()) {
      if (principal.kind === 'token' && principal.id === tokenId) controller.abort('revoked');
    }
  }

  /** Ends the streams that were opened with this session, because it was ended. */
  endOfSession(sessionId: string): void {
    for (const { principal, controller } of this.#open.values()) {
      if (principal.sessionId === sessionId) controller.abort('revoked');
    }
  }

  /** Ends all streams. Viewers connect to another process and resume after the last event they saw. */
  stop(): void {
    this.#stopping = true;
    for (const response of this.#open.keys()) response.destroy();
  }

  /** Why the token is no longer valid. Checked before each event: it may have ended after the request was authenticated. */
  #endReason(principal: View['principal']): 'revoked' | 'expired' | undefined {
    const { kind, id } = principal;
    const ended = this.#options.sessions?.endOf(principal);
    if (ended !== undefined) return ended;
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
  const written = await writer.write(sse ? '\n\n' : '\n');
  return item.hasMore === true ? written : await writer.flush();
}

/** The event after which a viewer resumes: `Last-Event-ID` wins over `after`. Throws `bad_request`. */
export function lastSeen(header: string | undefined, after: number | undefined): number {
  if (header === undefined || header === '') return after ?? 0;
  if (!/^\d{1,15}$/.test(header)) throw new AppError('bad_request', 'Last-Event-ID is not the id of an event');
  return Number(header);
}
