import { AckPolicy, DeliverPolicy, type ConsumerConfig, type JetStreamManager } from '@nats-io/jetstream';
import { nanos, type Msg } from '@nats-io/transport-node';
import { BROKER_SUBJECTS } from '@muster/records';
import { systemClock, TokenBucket } from '@muster/runtime';
import type { NatsLink } from './nats-link.js';
import { asStreamError } from './nats-stream-error.js';
import { StreamError } from './stream-store.js';

/**
 * How a connection comes to the entries of streams. `make`: it makes consumers and pulls them. `ask`: it asks one that
 * serves to do so. `serve`: by itself, and for those who ask, but of these streams only, and only to inboxes that begin
 * so.
 *
 * Who may make consumers can have the broker send any stored entry to any subject (`deliver_subject`), and so can who
 * may pull (the reply subject of the request). Either is the right to write everywhere. So those with few rights ask
 * for both, and what they ask for goes to their inboxes alone.
 */
export type Readers = 'make' | 'ask' | Serving;

export interface Serving {
  readonly streams: readonly string[];
  readonly inbox: string;
}

/** Where a reader begins: at a sequence, at the newest entry of each subject, or at the oldest entry. */
export interface ReaderRequest {
  readonly stream: string;
  readonly subject: string;
  readonly fromSeq?: number;
  readonly lastPerSubject?: boolean;
}

/** A consumer, and how many entries it has to bring. */
export interface OpenedReader {
  readonly name: string;
  readonly pending: number;
}

export type OpenReader = (request: ReaderRequest) => Promise<OpenedReader>;

/** The server deletes a consumer that pauses longer than this; the reader then opens a new one at the next sequence. */
const INACTIVE_MS = 60_000;
const ASK_TIMEOUT_MS = 3_000;
/** Readers are made at starts and after losses of the connection, by all gateways at once at most. */
const RATE = { capacity: 200, refillPerSecond: 20 };
const MAX_SUBJECT_LENGTH = 512;
/** One request for entries stays open this long when there are none. */
const PULL_EXPIRES_MS = 30_000;
/** Entries of one request. */
export const MAX_BATCH = 1_000;

export function makeReader(jsm: () => Promise<JetStreamManager>): OpenReader {
  return async (request) => {
    const info = await (
      await jsm()
    ).consumers.add(request.stream, {
      ...startOf(request),
      ack_policy: AckPolicy.None,
      filter_subject: request.subject,
      inactive_threshold: nanos(INACTIVE_MS),
      mem_storage: true,
      num_replicas: 1,
    });
    return { name: info.name, pending: info.num_pending };
  };
}

function startOf({ fromSeq, lastPerSubject }: ReaderRequest): Partial<ConsumerConfig> {
  if (fromSeq !== undefined)
    return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, fromSeq) };
  return { deliver_policy: lastPerSubject === true ? DeliverPolicy.LastPerSubject : DeliverPolicy.All };
}

interface ReaderReply {
  readonly reader?: OpenedReader;
  readonly fault?: string;
}

export function askForReader({ nc }: NatsLink): OpenReader {
  return async (request) => {
    const message = await nc.request(BROKER_SUBJECTS.readers, JSON.stringify(request), { timeout: ASK_TIMEOUT_MS });
    const { reader, fault } = message.json<ReaderReply>();
    if (reader === undefined)
      throw new StreamError('unavailable', `no reader of ${request.stream}: ${fault ?? 'no reason'}`);
    return reader;
  };
}

/** The next entries of a consumer, for an inbox. */
export interface PullRequest {
  readonly stream: string;
  readonly consumer: string;
  readonly inbox: string;
  readonly batch: number;
  readonly heartbeatMs: number;
}

export type RequestPull = (request: PullRequest) => void;

export function pullItself({ nc }: NatsLink): RequestPull {
  return ({ stream, consumer, inbox, batch, heartbeatMs }) => {
    const body = { batch, expires: nanos(PULL_EXPIRES_MS), idle_heartbeat: nanos(heartbeatMs) };
    nc.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, JSON.stringify(body), { reply: inbox });
  };
}

/** A request that is lost is noticed as one to the server is: no heartbeat comes. */
export function askToPull({ nc }: NatsLink): RequestPull {
  return (request) => nc.publish(BROKER_SUBJECTS.readerPulls, JSON.stringify(request));
}

/** Makes readers for others, at a bounded rate, and pulls them. */
export function serveReaders(link: NatsLink, open: OpenReader, serving: Serving): void {
  const { nc, logger } = link;
  const rate = new TokenBucket({ ...RATE, clock: systemClock });
  const pull = pullItself(link);
  const answer = async (message: Msg): Promise<ReaderReply> => {
    const request = parseReader(message);
    if (request === undefined || !serving.streams.includes(request.stream)) {
      return { fault: 'not a reader that is made for others' };
    }
    if (!rate.take().ok) return { fault: 'too many readers are asked for' };
    try {
      return { reader: await open(request) };
    } catch (error) {
      return { fault: asStreamError(error, request.stream).message };
    }
  };
  const serve = (subject: string, take: (message: Msg) => void): void => {
    const callback = (error: Error | null, message: Msg): void => {
      if (error === null) take(message);
      else logger.error('subscription refused by nats', { subject, err: error });
    };
    nc.subscribe(subject, { queue: 'readers', callback });
  };
  serve(BROKER_SUBJECTS.readers, (message) => {
    void answer(message).then((reply) => void message.respond(JSON.stringify(reply)));
  });
  serve(BROKER_SUBJECTS.readerPulls, (message) => {
    const request = parsePull(message, serving);
    if (request !== undefined) pull(request);
  });
}

/** Only what is known of a request goes on: anything else of a consumer's configuration is not the asker's to say. */
function parseReader(message: Msg): ReaderRequest | undefined {
  const { stream, subject, fromSeq, lastPerSubject } = fieldsOf<ReaderRequest>(message);
  if (typeof stream !== 'string' || typeof subject !== 'string' || subject.length > MAX_SUBJECT_LENGTH)
    return undefined;
  if (fromSeq !== undefined && !Number.isSafeInteger(fromSeq)) return undefined;
  const start = fromSeq === undefined ? {} : { fromSeq: fromSeq as number };
  return { stream, subject, ...start, lastPerSubject: lastPerSubject === true };
}

function parsePull(message: Msg, serving: Serving): PullRequest | undefined {
  const { stream, consumer, inbox, batch, heartbeatMs } = fieldsOf<PullRequest>(message);
  if (typeof stream !== 'string' || !serving.streams.includes(stream)) return undefined;
  if (typeof consumer !== 'string' || !/^[\w-]{1,64}$/.test(consumer)) return undefined;
  if (typeof inbox !== 'string' || !inbox.startsWith(serving.inbox) || !/^[\w.-]{1,128}$/.test(inbox)) return undefined;
  if (!isWithin(batch, 1, MAX_BATCH) || !isWithin(heartbeatMs, 100, PULL_EXPIRES_MS / 2)) return undefined;
  return { stream, consumer, inbox, batch, heartbeatMs };
}

const isWithin = (value: unknown, min: number, max: number): value is number =>
  Number.isInteger(value) && (value as number) >= min && (value as number) <= max;

function fieldsOf<T>(message: Msg): Partial<Record<keyof T, unknown>> {
  try {
    const body = message.json<unknown>();
    return typeof body === 'object' && body !== null ? body : {};
  } catch {
    return {};
  }
}
