import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import {
  CLOSE,
  LIMITS,
  POLL_AFTER_HEADER,
  POLL_MEDIA_TYPE,
  POLL_SEQUENCE_HEADER,
  POLL_SESSION_HEADER,
} from '@muster/protocol';
import type { PollReply, PollRequest } from '@muster/messages';
import type { HttpReply, HttpRequest } from '../http/http-message.js';
import { problemReply, retryAfter } from '../http/replies.js';
import type { PollUnavailable } from './poll-relay.js';

const inflate = promisify(gunzip);
const deflate = promisify(gzip);
/** Smaller replies are not worth compressing. */
const GZIP_FROM_BYTES = 1_024;
/** Level 1 costs a third of the usual level's time, and rows are repetitive. */
const GZIP = { level: 1 } as const;

export type ReadPoll =
  | { readonly ok: true; readonly request: PollRequest }
  | { readonly ok: false; readonly result: string; readonly reply: HttpReply };

/** Reads a request in a session. Nothing of a request that is refused here was taken. */
export async function readPoll(request: HttpRequest, session: string): Promise<ReadPoll> {
  const { method, headers } = request;
  const have = readEtag(headers['if-none-match']);
  if (have === undefined) return refuse('malformed', problemReply('bad_request', 'If-None-Match is no tag of a poll'));
  if (method === 'GET') return { ok: true, request: { session, have } };
  if (method === 'DELETE') return { ok: true, request: { session, have, end: true } };
  const seq = readNumber(headers[POLL_SEQUENCE_HEADER]);
  if (seq === undefined || seq === 0)
    return refuse('malformed', problemReply('bad_request', 'Muster-Sequence must number this request, from 1'));
  const batch = await readBody(request);
  return 'status' in batch ? refuse('body', batch) : { ok: true, request: { session, have, seq, batch } };
}

/** The uncompressed body, or the reply that refuses it. */
async function readBody({ headers, body }: HttpRequest): Promise<Uint8Array | HttpReply> {
  if (body.length === 0) return body;
  if ((headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() !== POLL_MEDIA_TYPE)
    return problemReply('unsupported_media_type', `send frames as ${POLL_MEDIA_TYPE}`);
  switch (headers['content-encoding']?.trim().toLowerCase() ?? 'identity') {
    case 'identity':
      return body.length > LIMITS.pollBodyBytes ? tooLarge() : body;
    case 'gzip':
      try {
        return await inflate(body, { maxOutputLength: LIMITS.pollBodyBytes });
      } catch (error) {
        const isBomb = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
        return isBomb ? tooLarge() : problemReply('bad_request', 'the body is not what gzip makes');
      }
    default:
      return problemReply('unsupported_media_type', 'frames may be compressed with gzip only', {
        'accept-encoding': 'gzip',
      });
  }
}

/** A session's reply as HTTP. */
export async function pollReply(request: HttpRequest, reply: PollReply | PollUnavailable): Promise<HttpReply> {
  switch (reply.kind) {
    case 'frames':
      return framesReply(request, reply);
    case 'ended':
      return endedReply(reply.code, reply.reason);
    case 'unknown':
      return endedReply(CLOSE.goingAway.code, 'goingAway');
    case 'unavailable':
      return problemReply(
        'broker_unavailable',
        'the gateway that holds the session is out of reach',
        retryAfter(2_000),
      );
  }
}

/** The reply that opens a session: it names it. */
export async function openedReply(
  request: HttpRequest,
  name: string,
  reply: Extract<PollReply, { kind: 'frames' }>,
): Promise<HttpReply> {
  const made = await framesReply(request, reply);
  return { ...made, headers: { ...made.headers, [POLL_SESSION_HEADER]: name } };
}

async function framesReply(
  { method, headers }: HttpRequest,
  { upTo, batch, comeBackMs }: Extract<PollReply, { kind: 'frames' }>,
): Promise<HttpReply> {
  const always = {
    etag: `"${upTo}"`,
    ...(comeBackMs === undefined ? {} : { [POLL_AFTER_HEADER]: String(comeBackMs) }),
  };
  if (method === 'DELETE') return { status: 204, headers: {}, body: '' };
  if (batch.length === 0) return { status: method === 'GET' ? 304 : 204, headers: always, body: '' };
  const type = { 'content-type': POLL_MEDIA_TYPE, 'cache-control': 'no-store' };
  if (batch.length >= GZIP_FROM_BYTES && takesGzip(headers['accept-encoding'])) {
    const body = await deflate(batch, GZIP);
    if (body.length < batch.length)
      return { status: 200, headers: { ...always, ...type, 'content-encoding': 'gzip' }, body };
  }
  return { status: 200, headers: { ...always, ...type }, body: batch };
}

/** RFC 9110 §12.5.3. `*` does not count as gzip. */
function takesGzip(header = ''): boolean {
  return header.split(',').some((coding) => /^\s*gzip\s*(;\s*q=(1(\.0{0,3})?|0\.\d*[1-9]\d*)\s*)?$/i.test(coding));
}

function endedReply(closeCode: number, closeReason: string): HttpReply {
  return problemReply('session_ended', `the session is over: ${closeReason}`, {}, { closeCode, closeReason });
}

/** `"17"`, also from a proxy that made it weak; 0 without a tag. */
function readEtag(header: string | undefined): number | undefined {
  if (header === undefined) return 0;
  const match = /^(?:W\/)?"(\d{1,15})"$/.exec(header.trim());
  return match === null ? undefined : Number(match[1]);
}

function readNumber(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

function tooLarge(): HttpReply {
  return problemReply('too_large', `a batch has at most ${LIMITS.pollBodyBytes} bytes`);
}

function refuse(result: string, reply: HttpReply): ReadPoll {
  return { ok: false, result, reply };
}
