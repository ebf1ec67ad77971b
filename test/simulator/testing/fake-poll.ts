import type { IncomingMessage, ServerResponse } from 'node:http';
import { gunzipSync, gzipSync } from 'node:zlib';
import { decodeBatch, encodeBatch, POLL_MEDIA_TYPE, type BatchedFrame } from '@muster/protocol';

/** The gateway's side of a poll session. */
export interface FakePollSession {
  received(frame: Uint8Array): void;
  closed(code: number): void;
}

/** One poll session of the fake gateway, after docs/protocol.md §10. Throws for what the protocol forbids. */
export class FakePollSocket {
  readonly session: FakePollSession;
  readonly #waiting: BatchedFrame[] = [];
  #upTo = 0;
  #sequence = 0;
  #ended: number | undefined;

  constructor(session: FakePollSession) {
    this.session = session;
  }

  get ended(): number | undefined {
    return this.#ended;
  }

  send(frame: Uint8Array, ageMs = 0): void {
    this.#waiting.push({ frame: Uint8Array.from(frame), ageMs });
    this.#upTo += 1;
  }

  /** Ends the session: the next request is answered with the close code. */
  close(code: number): void {
    if (this.#ended !== undefined) return;
    this.#ended = code;
    this.session.closed(code);
  }

  /** Takes a batch of the agent. Throws for a batch that a gateway refuses. */
  take(sequence: number, batch: Uint8Array): void {
    if (sequence !== this.#sequence && sequence !== this.#sequence + 1) throw new Error(`number ${sequence}`);
    const frames = decodeBatch(batch);
    if (frames === undefined || frames.length === 0) throw new Error('not a batch');
    if (sequence === this.#sequence) return;
    this.#sequence = sequence;
    for (const { frame } of frames) this.session.received(frame);
  }

  /** The frames after the last one that the agent has. */
  behind(have: number): { readonly upTo: number; readonly frames: readonly BatchedFrame[] } {
    const forget = have - (this.#upTo - this.#waiting.length);
    if (forget < 0) throw new Error(`it has ${have} again`);
    this.#waiting.splice(0, forget);
    return { upTo: this.#upTo, frames: this.#waiting };
  }
}

/** How the fake gateway answers polls. */
export class FakePoll {
  readonly #sockets = new Map<string, FakePollSocket>();
  readonly #open: (token: string) => FakePollSocket | undefined;
  /** The methods of all requests, in order; `opening` for those without a session. */
  readonly requests: string[] = [];
  /** How many of the next replies are dropped. */
  loseReplies = 0;
  /** The status with which the next requests are refused. */
  refuseWith: number | undefined;
  pollAfterMs: number | undefined;

  constructor(open: (token: string) => FakePollSocket | undefined) {
    this.#open = open;
  }

  /** Forgets all sessions, as after a restart. */
  forget(): void {
    this.#sockets.clear();
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const { headers, method = '' } = request;
    const name = headers['muster-session'];
    this.requests.push(`${method}${name === undefined ? ' opening' : ''}`);
    if (this.refuseWith !== undefined) return void response.writeHead(this.refuseWith, { 'retry-after': '0' }).end();
    if (name === undefined) return this.#opening(request, response);
    const socket = this.#sockets.get(String(name));
    const isGone = socket === undefined || socket.ended !== undefined;
    if (isGone) return over(response, socket?.ended ?? 1001);
    if (method === 'DELETE') {
      socket.close(1000);
      return void response.writeHead(204).end();
    }
    const body = Buffer.concat(pieces);
    if (method === 'POST') {
      if (headers['content-type'] !== POLL_MEDIA_TYPE) return void response.writeHead(415).end();
      socket.take(Number(headers['muster-sequence']), headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body);
    }
    if (this.#isLost(response)) return undefined;
    if (socket.ended !== undefined) return over(response, socket.ended);
    return this.#bring(response, socket, request);
  }

  #opening({ method, headers }: IncomingMessage, response: ServerResponse): void {
    const socket =
      method === 'POST' ? this.#open(/^Bearer (.+)$/.exec(headers.authorization ?? '')?.[1] ?? '') : undefined;
    if (socket === undefined) return void response.writeHead(400).end();
    const name = `session-${this.#sockets.size + 1}`;
    this.#sockets.set(name, socket);
    response.setHeader('muster-session', name);
    return this.#bring(response, socket, { headers, method });
  }

  #bring(
    response: ServerResponse,
    socket: FakePollSocket,
    { headers, method }: Pick<IncomingMessage, 'headers' | 'method'>,
  ): void {
    const have = Number(/^"(\d+)"$/.exec(headers['if-none-match'] ?? '"0"')?.[1]);
    const { upTo, frames } = socket.behind(have);
    if (this.pollAfterMs !== undefined) response.setHeader('muster-poll-after', this.pollAfterMs);
    if (frames.length === 0) return void response.writeHead(method === 'GET' ? 304 : 204).end();
    response.setHeader('etag', `"${upTo}"`);
    response.setHeader('content-type', POLL_MEDIA_TYPE);
    const batch = encodeBatch(frames);
    if (batch.length < 200) return void response.writeHead(200).end(batch);
    return void response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(batch));
  }

  #isLost(response: ServerResponse): boolean {
    if (this.loseReplies === 0) return false;
    this.loseReplies -= 1;
    response.destroy();
    return true;
  }
}

function over(response: ServerResponse, closeCode: number): void {
  response.writeHead(410, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify({ code: 'session_ended', closeCode, closeReason: '' }));
}
