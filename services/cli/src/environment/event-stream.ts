import type { IncomingMessage } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { CliError } from '../terminal/cli-error.js';
import { ApiProblem, ConnectionFault, type ApiClient } from './api-client.js';

/** What every stream of events has: a number to go on after, heartbeats, and an end. */
export type StreamEvent = { readonly event: string; readonly seq: number | null } | { readonly event: 'heartbeat' };

export interface FollowOptions {
  readonly signal?: AbortSignal;
  /** Told when the connection was lost and is sought again. */
  readonly onReconnect?: (attempt: number) => void;
  /** Replaced in tests. */
  readonly pause?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

const SILENCE_MS = 45_000;
const MAX_ATTEMPTS = 8;
const FIRST_PAUSE_MS = 200;
const MAX_PAUSE_MS = 5_000;

/**
 * All events of a stream, in order and each once, until `ended`. When the connection breaks, or is silent for longer than heartbeats allow, it
 * is opened again after the last event seen. @throws ConnectionFault when the server stays away, ApiProblem when it refuses
 */
export async function* followEvents<T extends StreamEvent>(
  client: ApiClient,
  path: string,
  options: FollowOptions = {},
): AsyncGenerator<Exclude<T, { event: 'heartbeat' }>> {
  const pause = options.pause ?? ((ms, signal) => delay(ms, undefined, signal === undefined ? {} : { signal }));
  let lastSeq: number | undefined;
  for (let attempt = 0; ; attempt += 1) {
    try {
      for await (const event of readEvents<T>(client, path, lastSeq, options.signal)) {
        attempt = 0;
        if (event.event === 'heartbeat') continue;
        const { seq } = event as { seq: number | null };
        if (seq !== null) lastSeq = seq;
        yield event as Exclude<T, { event: 'heartbeat' }>;
        if (event.event === 'ended') return;
      }
    } catch (error) {
      const lost =
        error instanceof ConnectionFault || (error instanceof ApiProblem && error.problem['retryable'] === true);
      if (!lost || attempt >= MAX_ATTEMPTS || options.signal?.aborted === true) throw error;
    }
    if (attempt >= MAX_ATTEMPTS)
      throw new ConnectionFault(`the event stream ${path} ends again and again before its end`);
    options.onReconnect?.(attempt + 1);
    await pause(Math.min(FIRST_PAUSE_MS * 2 ** attempt, MAX_PAUSE_MS) * (0.5 + Math.random() / 2), options.signal);
  }
}

async function* readEvents<T>(
  client: ApiClient,
  path: string,
  after: number | undefined,
  signal?: AbortSignal,
): AsyncGenerator<T> {
  const response = await client.open(path, {
    headers: { accept: 'application/x-ndjson', ...(after === undefined ? {} : { 'last-event-id': String(after) }) },
    ...(signal === undefined ? {} : { signal }),
  });
  try {
    response.setTimeout(SILENCE_MS, () => response.destroy(new Error('silent')));
    for await (const line of linesOf(response)) {
      if (line !== '') yield parseEvent<T>(line);
    }
  } finally {
    response.destroy();
  }
}

/** Lines of any length; a last line without its end is a broken connection's, and dropped. @throws ConnectionFault */
export async function* linesOf(response: IncomingMessage): AsyncGenerator<string> {
  response.setEncoding('utf8');
  let rest: string[] = [];
  try {
    for await (const part of response as AsyncIterable<string>) {
      const pieces = part.split('\n');
      for (const piece of pieces.slice(0, -1)) {
        yield rest.length === 0 ? piece : rest.join('') + piece;
        rest = [];
      }
      const tail = pieces.at(-1) ?? '';
      if (tail !== '') rest.push(tail);
    }
  } catch (cause) {
    throw new ConnectionFault('the connection broke while events were read', { cause });
  }
}

function parseEvent<T>(line: string): T {
  try {
    return JSON.parse(line) as T;
  } catch (cause) {
    throw new CliError('the server sent an event that is no JSON', { cause });
  }
}
