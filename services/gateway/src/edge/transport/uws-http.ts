import { clientAddress, type TrustedProxies } from '@muster/runtime';
import type * as Uws from 'uWebSockets.js';
import { isBodiless, STATUS_TEXT, type HttpReply } from '../http/http-message.js';
import { FAILED, TOO_LARGE } from '../http/replies.js';
import { RequestHead } from '../http/request-head.js';
import type { TransportHandlers, TransportOptions } from './transport.js';
import { asksForWebSocket, refuseHandshake } from './websocket-handshake.js';

type HttpOptions = Pick<TransportOptions, 'bodyBytes' | 'trustedProxies'>;

/**
 * Answers a request that is no right handshake of a WebSocket.
 *
 * uWebSockets does not check how chunks are framed (RFC 9112 §7.1: line ends, sizes, trailers), and does not show it.
 * So a chunked request is the last one on its connection, and is answered after the read that brought it: whatever else
 * that read brought is never taken as a request.
 */
export function answerHttp(
  { res, req }: { readonly res: Uws.HttpResponse; readonly req: Uws.HttpRequest },
  handlers: Pick<TransportHandlers<unknown>, 'http'>,
  options: HttpOptions,
): void {
  const request = readHead(req);
  const method = req.getMethod().toUpperCase();
  const { headers, isChunked } = request;
  const aborted = watchAbort(res);
  const answer = async (reply: HttpReply): Promise<void> => {
    const isLast = isChunked || reply.headers['connection'] === 'close';
    if (isLast) await afterRead();
    if (!aborted()) res.cork(() => respond(res, reply, isLast));
  };
  const refused = request.refuse() ?? (asksForWebSocket(request) ? refuseHandshake(method, request) : undefined);
  if (refused !== undefined) {
    void answer(refused);
    return;
  }
  const head = { method, path: req.getUrl(), address: addressOf(res, request, options.trustedProxies), headers };
  readBody(res, options.bodyBytes(head), async (body) => {
    await answer(body === undefined ? TOO_LARGE : await handlers.http({ ...head, body }).catch(() => FAILED));
  });
}

export function readHead(req: Uws.HttpRequest): RequestHead {
  const head = new RequestHead();
  req.forEach((name, value) => head.add(name, value));
  return head;
}

/** Tells later whether the peer has gone. */
export function watchAbort(res: Uws.HttpResponse): () => boolean {
  let isAborted = false;
  res.onAborted(() => {
    isAborted = true;
  });
  return () => isAborted;
}

/** Resolves outside of the callbacks of uWebSockets, at the end of which promises go on within the read. */
export function afterRead(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** `isLast`: the connection is closed after it. */
export function respond(
  res: Uws.HttpResponse,
  reply: HttpReply,
  isLast = reply.headers['connection'] === 'close',
): void {
  res.writeStatus(`${reply.status} ${STATUS_TEXT[reply.status] ?? 'Unknown'}`);
  // `Date` is written by uWebSockets itself, and so is `Connection`.
  for (const [name, value] of Object.entries(reply.headers)) if (name !== 'connection') res.writeHeader(name, value);
  if (!isBodiless(reply.status)) res.end(reply.body, isLast);
  // It closes only with a length. That of nothing misleads nobody, though RFC 9110 §8.6 wants none with 204.
  else if (isLast) res.endWithoutBody(0, true);
  // No argument: an undefined length would be sent as 2^63.
  else res.endWithoutBody();
}

export function addressOf(res: Uws.HttpResponse, head: RequestHead, trustedProxies: TrustedProxies): string {
  const peer = plainAddress(Buffer.from(res.getRemoteAddressAsText()).toString());
  return clientAddress(peer, head.get('x-forwarded-for'), trustedProxies);
}

/** Calls back once: with the body, or with nothing when it is over the limit. */
function readBody(res: Uws.HttpResponse, limit: number, done: (body: Uint8Array | undefined) => Promise<void>): void {
  const chunks: Buffer[] = [];
  let size = 0;
  let isDone = false;
  res.onData((chunk, isLast) => {
    if (isDone) return;
    size += chunk.byteLength;
    isDone = isLast || size > limit;
    // The chunk's memory is reused after this callback.
    if (chunk.byteLength > 0 && size <= limit) chunks.push(Buffer.from(new Uint8Array(chunk)));
    if (isDone) void done(size > limit ? undefined : Buffer.concat(chunks));
  });
}

/** uWebSockets writes IPv4 peers of a dual-stack socket as full IPv6; people and proxies' lists use the short form. */
function plainAddress(text: string): string {
  const mapped = /^(?:0{4}:){5}ffff:([0-9a-f]{2})([0-9a-f]{2}):([0-9a-f]{2})([0-9a-f]{2})$/i.exec(text);
  if (mapped !== null) {
    return mapped
      .slice(1)
      .map((part) => Number.parseInt(part, 16))
      .join('.');
  }
  return text === '0000:0000:0000:0000:0000:0000:0000:0001' ? '::1' : text;
}
