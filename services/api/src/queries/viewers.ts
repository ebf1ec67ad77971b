import type { ServerResponse } from 'node:http';
import type { Log } from '@muster/bus';
import { AppError, type QueryRecord } from '@muster/protocol';
import type { Clock, Logger } from '@muster/runtime';
import type { Principal } from '../auth/principal.js';
import type { TokenStore } from '../auth/token-store.js';
import { DrainWriter, type WriteOutcome } from '../http/drain-writer.js';
import type { ApiMetrics } from '../metrics.js';
import { queryEvents, type Told } from './event-source.js';
import type { QueryClient } from './query-client.js';
import { queryJson } from './query-json.js';
import { eventPieces, type EndpointByNum } from './result-json.js';

export type EventFormat = 'sse' | 'ndjson';

export interface ViewersOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly client: Pick<QueryClient, 'guardian'>;
  readonly tokens: Pick<TokenStore, 'find'>;
  readonly metrics: ApiMetrics;
  readonly byNum: EndpointByNum;
  readonly maxViewers: number;
  readonly heartbeatMs?: number;
  readonly silenceMs?: number;
  readonly stallMs?: number;
}

export interface View {
  /** Who looks, for as long as they may. */
  readonly principal: Pick<Principal, 'kind' | 'id'>;
  readonly record: QueryRecord;
  readonly readRecord: () => Promise<QueryRecord | undefined>;
  readonly afterSeq: number;
  readonly format: EventFormat;
}

interface OpenView {
  readonly principal: View['principal'];
  readonly gone: AbortController;
}

/**
 * Streams of query events to people. Each viewer pulls for themselves, no faster than their socket drains, so one that stops
 * reading holds a few entries and one slice of text, delays nobody, and is cut off after a minute.
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

  /** Writes the events until the last one. Resolves however it ends; rejects only for what is a bug. */
  async show(view: View, response: ServerResponse): Promise<void> {
    const { clock, log, client, metrics, heartbeatMs = 10_000, silenceMs = 5_000, stallMs = 60_000 } = this.#options;
    const { format, record, principal } = view;
    const gone = new AbortController();
    const writer = new DrainWriter(response, { clock, stallMs });
    this.#open.set(response, { principal, gone });
    metrics.viewers.inc({ format });
    response.on('close', () => gone.abort('closed'));
    let how = 'ended';
    try {
      response.flushHeaders();
      const events = queryEvents(record, {
        log,
        clock,
        client,
        readRecord: view.readRecord,
        afterSeq: view.afterSeq,
        signal: gone.signal,
        heartbeatMs,
        silenceMs,
      });
      let wroteMs = clock.monotonic();
      for await (const told of events) {
        const over = this.#whyOver(principal);
        if (over !== undefined) gone.abort(over);
        if (gone.signal.aborted) break;
        if (told.kind === 'idle' && clock.monotonic() - wroteMs < heartbeatMs) continue;
        const written = await this.#tell(told, view, writer);
        wroteMs = clock.monotonic();
        if (written !== 'written') how = written;
        if (written !== 'written') break;
        if (told.kind === 'synthesized_end' && told.record.state === 'interrupted') how = 'interrupted';
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
      if (how === 'stalled') this.#options.logger.warn('viewer that stopped reading cut off', { query: record.id });
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

  async #tell(told: Told, view: View, writer: DrainWriter): Promise<WriteOutcome> {
    const sse = view.format === 'sse';
    switch (told.kind) {
      case 'idle':
        await writer.write(sse ? ': heartbeat\n\n' : '{"event":"heartbeat"}\n');
        break;
      case 'synthesized_end': {
        const event = { event: 'ended', seq: null, query: queryJson(told.record), synthesized: true };
        // Without an id, so that a viewer who comes back goes on from the last event that is kept.
        await writer.write(`${sse ? 'event: ended\ndata: ' : ''}${JSON.stringify(event)}\n${sse ? '\n' : ''}`);
        break;
      }
      case 'event': {
        const { event, seq } = told;
        if (sse) await writer.write(`id: ${seq}\nevent: ${event.t}\ndata: `);
        const eventView = { seq, columns: view.record.columns.length, byNum: this.#options.byNum };
        for (const piece of eventPieces(event, eventView)) {
          const written = await writer.write(piece);
          if (written !== 'written') return written;
        }
        await writer.write(sse ? '\n\n' : '\n');
      }
    }
    return await writer.flush();
  }
}
