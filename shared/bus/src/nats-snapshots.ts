import { jetstreamManager, type JetStreamManager, type StreamConfig, type StreamState } from '@nats-io/jetstream';
import { createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node';
import { firstConnection, inboxPrefix, type NatsOptions } from './connect-nats.js';
import { StreamError } from './stream-store.js';
import { late, within } from './within.js';

/** What NATS says of a stream: its configuration, and how much it holds. Kept beside a snapshot, and given back with it. */
export interface StreamDescription {
  readonly config: StreamConfig;
  readonly state: StreamState;
}

/** Whole streams at NATS, with their sequences and times, as files of the server's own form. */
export interface StreamSnapshots {
  /** The streams that are there. */
  list(): Promise<readonly StreamDescription[]>;
  /**
   * Reads a stream as it is at this moment; services may run. `write` gets the parts in order, and the next one when it has resolved.
   * @throws StreamError `no_stream`; `unavailable` when the server ends the snapshot early or falls silent.
   */
  take(stream: string, write: (part: Uint8Array) => Promise<void>): Promise<StreamDescription>;
  /**
   * Makes a stream out of a snapshot. It may not exist.
   * @throws StreamError `invalid` when the server does not take it; `unavailable`.
   */
  restore(description: StreamDescription, parts: AsyncIterable<Uint8Array>): Promise<StreamDescription>;
  /** Deletes a stream with all that it holds. */
  remove(stream: string): Promise<void>;
  stop(): Promise<void>;
}

/** A server that says nothing for so long is given up. Before the first part it reads and checks the whole stream. */
const SILENCE_MS = 60_000;
const PART_BYTES = 128 * 1024;

/** Connects as the user of the options: taking needs the rights of `backup`, restoring and removing those of `setup`. */
export async function connectSnapshots(options: NatsOptions): Promise<StreamSnapshots> {
  const nc = await firstConnection(options);
  const manager = await jetstreamManager(nc, { checkAPI: false, timeout: SILENCE_MS });
  return new NatsSnapshots(nc, manager, inboxPrefix(options));
}

class NatsSnapshots implements StreamSnapshots {
  readonly #nc: NatsConnection;
  readonly #manager: JetStreamManager;
  readonly #inbox: string;

  constructor(nc: NatsConnection, manager: JetStreamManager, inbox: string) {
    this.#nc = nc;
    this.#manager = manager;
    this.#inbox = inbox;
  }

  async list(): Promise<readonly StreamDescription[]> {
    const found: StreamDescription[] = [];
    for await (const { config, state } of this.#manager.streams.list()) found.push({ config, state });
    return found;
  }

  async take(stream: string, write: (part: Uint8Array) => Promise<void>): Promise<StreamDescription> {
    const inbox = createInbox(this.#inbox);
    const parts = this.#nc.subscribe(inbox);
    try {
      const request = { deliver_subject: inbox, no_consumers: true, chunk_size: PART_BYTES, jsck: true };
      const description = await this.#ask(`STREAM.SNAPSHOT.${stream}`, request);
      const iterator = parts[Symbol.asyncIterator]();
      for (;;) {
        const next = await within(SILENCE_MS, iterator.next());
        if (next === late || next.done === true) throw unavailable(`the snapshot of ${stream} stopped`);
        const part: Msg = next.value;
        if (part.data.length === 0) {
          const { code = 0, description: why = '' } = part.headers ?? {};
          // 204 is the end; servers before 2.10 send none.
          if (code !== 0 && code !== 204) throw unavailable(`the snapshot of ${stream} ended early: ${code} ${why}`);
          return description;
        }
        await write(part.data);
        // The server sends so much ahead, and waits for this.
        part.respond();
      }
    } finally {
      parts.unsubscribe();
    }
  }

  async restore({ config, state }: StreamDescription, parts: AsyncIterable<Uint8Array>): Promise<StreamDescription> {
    const answer = await this.#ask(`STREAM.RESTORE.${config.name}`, { config, state });
    const send = (part: Uint8Array): Promise<Msg> =>
      this.#nc.request(answer.deliver_subject ?? '', part, { timeout: SILENCE_MS });
    for await (const part of parts) {
      const { data } = await send(part);
      // The server says nothing while it is content.
      if (data.length > 0) answerOf(data, config.name);
    }
    return answerOf((await send(new Uint8Array())).data, config.name);
  }

  async remove(stream: string): Promise<void> {
    await this.#manager.streams.delete(stream);
  }

  async stop(): Promise<void> {
    await this.#nc.close();
  }

  async #ask(call: string, body: object): Promise<Answer> {
    const { data } = await this.#nc.request(`$JS.API.${call}`, JSON.stringify(body), { timeout: SILENCE_MS });
    return answerOf(data, call);
  }
}

interface Answer extends StreamDescription {
  readonly error?: { readonly err_code?: number; readonly description?: string };
  readonly deliver_subject?: string;
}

const STREAM_NOT_FOUND = 10_059;

function answerOf(data: Uint8Array, what: string): Answer {
  const answer = JSON.parse(new TextDecoder().decode(data)) as Answer;
  if (answer.error === undefined) return answer;
  const { err_code: code, description = 'no reason' } = answer.error;
  throw new StreamError(code === STREAM_NOT_FOUND ? 'no_stream' : 'invalid', `${what}: ${description}`);
}

const unavailable = (message: string): StreamError => new StreamError('unavailable', message);
