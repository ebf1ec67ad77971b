import type { Clock, Logger } from '@muster/runtime/program';
import { compress } from 'snappyjs';
import { ProtoWriter } from '../proto/proto-writer.js';
import { encodeV1 } from '../wire/encode-v1.js';
import { encodeV2 } from '../wire/encode-v2.js';
import type { SampleBatch } from '../wire/sample-batch.js';
import type { HttpPost, PostResult } from './http-post.js';
import { retryAfterMs } from './retry-after.js';

export const PROTOCOLS = ['1.0', '2.0'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

/** Why a request failed; the values of the label `reason`. */
export const FAILURES = ['throttled', 'server_error', 'timeout', 'unreachable', 'rejected'] as const;
export type Failure = (typeof FAILURES)[number];

export type SendResult =
  /** The store has it; `written` of its samples, as far as it says so. */
  | { readonly kind: 'sent'; readonly written: number }
  /** To be sent again, not before `afterMs`. */
  | { readonly kind: 'retry'; readonly failure: Failure; readonly afterMs: number; readonly detail: string }
  /** Never to be sent again. */
  | { readonly kind: 'rejected'; readonly written: number; readonly detail: string };

/** An encoded batch; encoded anew when the protocol changed in between. */
export interface Request {
  readonly batch: SampleBatch;
  encoded?: { readonly protocol: Protocol; readonly body: Uint8Array };
}

const HEADERS: Readonly<Record<Protocol, Readonly<Record<string, string>>>> = {
  '1.0': {
    'Content-Encoding': 'snappy',
    'Content-Type': 'application/x-protobuf',
    'X-Prometheus-Remote-Write-Version': '0.1.0',
  },
  '2.0': {
    'Content-Encoding': 'snappy',
    'Content-Type': 'application/x-protobuf;proto=io.prometheus.write.v2.Request',
    'X-Prometheus-Remote-Write-Version': '2.0.0',
  },
};

export interface SenderOptions {
  readonly post: HttpPost;
  readonly protocol: Protocol;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onRequest: (seconds: number, bytes: number) => void;
}

/**
 * Sends batches in one of the two protocols and says what became of them. A store that does not know 2.0 gets 1.0 from
 * then on: it says so by status 415, or it takes the request without the header that counts what it wrote, which older
 * ones do because they skip fields that they do not know.
 */
export class Sender {
  readonly #options: SenderOptions;
  readonly #writer = new ProtoWriter();
  #protocol: Protocol;

  constructor(options: SenderOptions) {
    this.#options = options;
    this.#protocol = options.protocol;
  }

  async send(request: Request, signal: AbortSignal): Promise<SendResult> {
    const protocol = this.#protocol;
    const { post, clock, onRequest } = this.#options;
    if (request.encoded?.protocol !== protocol) {
      const plain = (protocol === '2.0' ? encodeV2 : encodeV1)(this.#writer, request.batch);
      request.encoded = { protocol, body: compress(plain) };
    }
    const startMs = clock.monotonic();
    const result = await post.send(request.encoded.body, HEADERS[protocol], signal);
    onRequest((clock.monotonic() - startMs) / 1_000, request.encoded.body.length);
    if (result.kind === 'answered' && protocol === '2.0' && knowsOnlyV1(result)) {
      this.#fallBack(result.status);
      return this.send(request, signal);
    }
    return this.#judge(result, request.batch.series.length);
  }

  #fallBack(status: number): void {
    if (this.#protocol === '1.0') return;
    this.#protocol = '1.0';
    this.#options.logger.warn('remote write falls back to protocol 1.0', { status });
  }

  #judge(result: PostResult, samples: number): SendResult {
    if (result.kind !== 'answered') return { kind: 'retry', failure: result.kind, afterMs: 0, detail: result.detail };
    const { status, headers, text } = result;
    const detail = `${status} ${text.trim()}`;
    const said = Number(headers['x-prometheus-remote-write-samples-written'] ?? Number.NaN);
    const written = (unless: number): number =>
      Number.isInteger(said) ? Math.min(Math.max(said, 0), samples) : unless;
    if (status >= 200 && status < 300) return { kind: 'sent', written: written(samples) };
    if (status === 429 || status >= 500) {
      const failure = status === 429 ? 'throttled' : 'server_error';
      const afterMs = retryAfterMs(headers['retry-after'], this.#options.clock.now());
      return { kind: 'retry', failure, afterMs, detail };
    }
    return { kind: 'rejected', written: written(0), detail };
  }
}

function knowsOnlyV1({ status, headers }: { status: number; headers: Readonly<Record<string, unknown>> }): boolean {
  if (status === 415) return true;
  const success = status >= 200 && status < 300;
  return success && headers['x-prometheus-remote-write-samples-written'] === undefined;
}
