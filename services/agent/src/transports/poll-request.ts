import { type Agent, type ClientRequest, type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { LIMITS, POLL_MEDIA_TYPE } from '@muster/protocol';
import type { Clock } from '@muster/runtime/program';
import { type NetworkEnd, socketEnds } from '../network/network-end.js';
import { readBody } from '../network/http-refusal.js';

export interface PollCall {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface PollResponse {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** The batch, if the answer is one. */
  readonly batch?: Uint8Array;
  /** Bytes of the batch as it was sent, compressed or not. */
  readonly batchBytes?: number;
  /** The body of any other response, cut to a bound. */
  readonly text: string;
  /** From the request to the response headers. */
  readonly tookMs: number;
}

export interface PollRequesterOptions {
  /** `https://host:port/v1/poll` */
  readonly url: string;
  readonly ca?: string | undefined;
  /** Opens and keeps the TCP connection. */
  readonly agent: Agent;
  readonly clock: Clock;
}

/** Thrown for a batch that is over the limit, or has an unknown compression. */
export class BadBatch extends Error {}

/** A gateway may take 12 s, where another one that holds the session does not answer it. */
const HEAD_TIMEOUT_MS = 15_000;
/** The slowest line for which the time limits of bodies are made. */
const SLOWEST_BYTES_PER_SECOND = 16 * 1024;

const decompress = promisify(gunzip);

/** HTTP requests to one gateway, one after the other, over one connection while it lasts. */
export class PollRequester {
  readonly #options: PollRequesterOptions;
  readonly #request: typeof requestHttp;
  #ends: readonly NetworkEnd[] = [];

  constructor(options: PollRequesterOptions) {
    this.#options = options;
    this.#request = options.url.startsWith('https:') ? requestHttps : requestHttp;
  }

  /** Both ends of the last connection. */
  get ends(): readonly NetworkEnd[] {
    return this.#ends;
  }

  /**
   * Rejects when there is no complete response: no answer, cut off, too slow, aborted by the signal. Rejects with
   * {@link BadBatch} when the batch cannot be read.
   */
  async send(call: PollCall, signal: AbortSignal): Promise<PollResponse> {
    try {
      return await this.#once(call, signal);
    } catch (error) {
      // A server may close a kept connection just when it is used again. That is not a failure.
      if (!(error instanceof StaleConnection)) throw error;
      return this.#once(call, signal);
    }
  }

  async #once({ method, headers, body }: PollCall, signal: AbortSignal): Promise<PollResponse> {
    const { agent, ca, clock, url } = this.#options;
    signal.throwIfAborted();
    const startedMs = clock.monotonic();
    const call = this.#request(url, {
      method,
      agent,
      headers: { ...headers, ...(method === 'POST' ? { 'content-length': String(body?.length ?? 0) } : {}) },
      signal,
      ...(ca === undefined ? {} : { ca }),
    });
    call.on('socket', (socket) => {
      if (!socket.connecting) this.#ends = socketEnds(socket);
      else socket.once('connect', () => (this.#ends = socketEnds(socket)));
    });
    const headMs = HEAD_TIMEOUT_MS + millisecondsFor(body?.length ?? 0);
    const timer = clock.setTimeout(() => call.destroy(new Error(`no answer within ${headMs / 1_000} s`)), headMs);
    const bodyMs = HEAD_TIMEOUT_MS + millisecondsFor(LIMITS.pollBodyBytes);
    let bodyTimer;
    try {
      const response = await answerTo(call, body);
      clock.clear(timer);
      const tookMs = clock.monotonic() - startedMs;
      bodyTimer = clock.setTimeout(() => response.destroy(new Error('the answer did not end in time')), bodyMs);
      return { status: response.statusCode ?? 0, headers: response.headers, tookMs, ...(await contentOf(response)) };
    } finally {
      clock.clear(timer);
      clock.clear(bodyTimer);
    }
  }
}

class StaleConnection extends Error {}

function answerTo(call: ClientRequest, body: Uint8Array | undefined): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    call.on('response', resolve);
    call.on('error', (error: NodeJS.ErrnoException) => {
      const isStale = call.reusedSocket && (error.code === 'ECONNRESET' || error.code === 'EPIPE');
      reject(isStale ? new StaleConnection(error.message, { cause: error }) : error);
    });
    call.end(body);
  });
}

async function contentOf(
  response: IncomingMessage,
): Promise<{ batch?: Uint8Array; batchBytes?: number; text: string }> {
  const type = response.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  if (response.statusCode !== 200 || type !== POLL_MEDIA_TYPE) {
    return { text: await readBody(response) };
  }
  const body = await readBatch(response);
  const encoding = response.headers['content-encoding'] ?? 'identity';
  if (encoding === 'identity') return { batch: body, batchBytes: body.length, text: '' };
  if (encoding !== 'gzip') throw new BadBatch('compressed in a way that was not offered');
  try {
    const batch = await decompress(body, { maxOutputLength: LIMITS.pollBodyBytes });
    return { batch, batchBytes: body.length, text: '' };
  } catch (error) {
    throw new BadBatch('no gzip, or over the limit', { cause: error });
  }
}

async function readBatch(response: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    parts.push(part);
    length += part.length;
    if (length > LIMITS.pollBodyBytes) throw new BadBatch('over the limit');
  }
  return Buffer.concat(parts);
}

function millisecondsFor(bytes: number): number {
  return (bytes / SLOWEST_BYTES_PER_SECOND) * 1_000;
}
