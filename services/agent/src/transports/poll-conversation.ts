import type { Agent } from 'node:http';
import {
  CLOSE,
  CONNECT_PROOF_HEADER,
  POLL_MEDIA_TYPE,
  POLL_SEQUENCE_HEADER,
  POLL_SESSION_HEADER,
} from '@muster/protocol';
import { type Clock, fullJitter, type Logger, sleep } from '@muster/runtime/program';
import { describeEnd } from '../contract/describe-end.js';
import type { PollBatch } from './poll-outbox.js';
import { BadBatch, type PollCall, PollRequester, type PollResponse } from './poll-request.js';
import type { ConnectionEnd } from '../contract/session-connection.js';
import type { NetworkEnd } from '../network/network-end.js';
import { parseRetryAfter, problemMembers, type Refusal } from '../network/http-refusal.js';

/** One gateway for a Poll session, and the HTTP agent that keeps the TCP connection between two polls. */
export interface PollPlace {
  /** `https://host:port/v1/poll`. */
  readonly url: string;
  readonly agent: Agent;
}

export interface PollConversationOptions {
  /** The session is opened at the first one. Later requests can go to any of them. */
  readonly places: readonly [PollPlace, ...PollPlace[]];
  readonly token: string;
  readonly proof?: string;
  readonly ca?: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
}

export interface PollQuestion {
  /** The frames to send. Without a batch, the request only fetches frames. */
  readonly batch: PollBatch | undefined;
  /** The number of the last frame that was received, 0 for none. */
  readonly have: number;
}

/** The result of a request: an answer, an answer that cannot be read, or the end of the session. */
export type PollOutcome =
  | { readonly kind: 'answered'; readonly response: PollResponse }
  | { readonly kind: 'unreadable'; readonly detail: string }
  | ConnectionEnd;

/** How often a request without an answer from a gateway is repeated. After that the session is given up. */
const REPEATS = 5;

/** The requests of one session, one after the other: their headers, and what an answer means. */
export class PollConversation {
  readonly #options: PollConversationOptions;
  #requests: PollRequester;
  #place = 0;
  /** The session's id, which is also its secret. */
  #name: string | undefined;
  #rttMs: number | undefined;

  constructor(options: PollConversationOptions) {
    this.#options = options;
    this.#requests = new PollRequester({ ...options, ...options.places[0] });
  }

  get rttMs(): number | undefined {
    return this.#rttMs;
  }

  get ends(): readonly NetworkEnd[] {
    return this.#requests.ends;
  }

  /** The first request. */
  async open(signal: AbortSignal): Promise<PollOutcome> {
    const { proof, token } = this.#options;
    const headers = {
      authorization: `Bearer ${token}`,
      accept: POLL_MEDIA_TYPE,
      ...(proof === undefined ? {} : { [CONNECT_PROOF_HEADER]: proof }),
    };
    let response: PollResponse;
    try {
      response = await this.#requests.send({ method: 'POST', headers }, signal);
    } catch (error) {
      return failed(error);
    }
    if (response.status !== 200) return { kind: 'refused', refusal: this.#refusal(response) };
    const name = response.headers[POLL_SESSION_HEADER];
    if (typeof name !== 'string' || response.batch === undefined)
      return failed('the answer to the poll is not from a gateway');
    this.#name = name;
    return { kind: 'answered', response };
  }

  /** One request, repeated until it is answered; once `leaving` is aborted, a request that fails is not repeated. */
  async ask(question: PollQuestion, signal: AbortSignal, leaving: AbortSignal): Promise<PollOutcome> {
    const { clock, logger, random } = this.#options;
    const backoff = fullJitter({ baseMs: 1_000, capMs: 60_000, random });
    for (let repeats = 0; ; repeats += 1) {
      const { outcome, isTransient } = await this.#askOnce(question, signal);
      if (!isTransient || repeats === REPEATS || leaving.aborted) return outcome;
      const delayMs = backoff.next(outcome.kind === 'refused' ? outcome.refusal.retryAfterMs : undefined);
      logger.info('poll failed', { repeats, retryInMs: Math.round(delayMs), ...describeEnd(outcome) });
      if ((await sleep(clock, delayMs, leaving)) === 'aborted') return outcome;
      this.#nextPlace();
    }
  }

  /** Tells the gateway that the session is over. If this fails, the gateway notices by itself. */
  async end(signal: AbortSignal): Promise<void> {
    if (this.#name === undefined) return;
    const headers = { [POLL_SESSION_HEADER]: this.#name };
    await this.#requests.send({ method: 'DELETE', headers }, signal).catch(() => {});
  }

  async #askOnce(question: PollQuestion, signal: AbortSignal): Promise<Attempt> {
    let response: PollResponse;
    try {
      response = await this.#requests.send(this.#call(question), signal);
    } catch (error) {
      if (!(error instanceof BadBatch)) return { outcome: failed(error), isTransient: true };
      return { outcome: { kind: 'unreadable', detail: error.message }, isTransient: false };
    }
    const { batch: frames, status, text, tookMs } = response;
    if (status === 204 || (status === 304 && question.batch === undefined) || frames !== undefined) {
      this.#rttMs = tookMs;
      return { outcome: { kind: 'answered', response }, isTransient: false };
    }
    const refusal = this.#refusal(response);
    if (refusal.code === 'session_ended') return { outcome: closed(text), isTransient: false };
    // A refusal of this agent or this request is final. An answer of a gateway in trouble, or of a proxy, is transient.
    return {
      outcome: { kind: 'refused', refusal },
      isTransient: refusal.code === undefined || status >= 500 || status === 429,
    };
  }

  #nextPlace(): void {
    const { places } = this.#options;
    this.#place = (this.#place + 1) % places.length;
    this.#requests = new PollRequester({ ...this.#options, ...(places[this.#place] ?? places[0]) });
  }

  #call({ batch, have }: PollQuestion): PollCall {
    const headers = {
      [POLL_SESSION_HEADER]: this.#name ?? '',
      ...(have === 0 ? {} : { 'if-none-match': `"${have}"` }),
      'accept-encoding': 'gzip',
    };
    if (batch === undefined) return { method: 'GET', headers };
    return {
      method: 'POST',
      headers: {
        ...headers,
        [POLL_SEQUENCE_HEADER]: String(batch.sequence),
        'content-type': POLL_MEDIA_TYPE,
        ...(batch.isCompressed ? { 'content-encoding': 'gzip' } : {}),
      },
      body: batch.body,
    };
  }

  #refusal({ headers, status, text }: PollResponse): Refusal {
    const retryAfterMs = parseRetryAfter(headers['retry-after'], this.#options.clock.now());
    return { status, ...problemMembers(text), ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }
}

type Attempt =
  /** The same request may succeed later. */
  | { readonly outcome: ConnectionEnd; readonly isTransient: boolean }
  | { readonly outcome: PollOutcome; readonly isTransient: false };

function failed(error: unknown): ConnectionEnd {
  return { kind: 'failed', error: error instanceof Error ? error : new Error(String(error)) };
}

/** The close code that a WebSocket would have got. */
function closed(problem: string): ConnectionEnd {
  const { closeCode, closeReason } = JSON.parse(problem) as { closeCode?: unknown; closeReason?: unknown };
  return {
    kind: 'closed',
    code: Number.isInteger(closeCode) ? Number(closeCode) : CLOSE.goingAway.code,
    reason: typeof closeReason === 'string' ? closeReason.slice(0, 123) : '',
  };
}
