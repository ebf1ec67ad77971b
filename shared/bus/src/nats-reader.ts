import {
  AckPolicy,
  DeliverPolicy,
  JetStreamApiError,
  type ConsumerConfig,
  type JetStreamManager,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/transport-node';
import { StreamError, type Entry, type ReadOptions } from './stream-store.js';
import { lost, type NatsLink } from './nats-link.js';
import { asStreamError } from './nats-stream-error.js';
import { NatsPull } from './nats-pull.js';

const DEFAULT_BATCH = 256;
/** The server deletes a consumer that pauses longer than this; the reader then opens a new one at the next sequence. */
const INACTIVE_MS = 60_000;
const RETRY_MS = 250;

type Opened = { readonly pull: NatsPull; readonly waiting: number };

/**
 * Reads through one ephemeral pull consumer without acknowledgements. The server numbers its deliveries. A missing number, a
 * missed heartbeat, a lost connection or a deleted consumer means that entries are missing. The reader then opens a new
 * consumer, which starts after the last sequence that was yielded.
 *
 *   open ──▶ pull ⇄ yield ──▶ caught up ──▶ end, or wait for more (follow)
 *     ▲        │ lost
 *     └────────┘
 */
export async function* readStream(
  link: NatsLink,
  jsm: () => Promise<JetStreamManager>,
  stream: string,
  options: ReadOptions,
): AsyncGenerator<Entry, void, undefined> {
  const cursor = new Cursor(options);
  for (;;) {
    const opened = await open(link, await jsm(), stream, cursor, options);
    if (opened === undefined) return;
    const { pull } = opened;
    try {
      if (opened.waiting === 0 && cursor.catchUp()) return;
      for (;;) {
        const entry = await pull.next();
        if (entry === 'lost') break;
        if (entry === 'ended') {
          // A pull without entries: those that were announced have been removed, or there is nothing new.
          if (!cursor.caughtUp && (await pendingNow(await jsm(), stream, pull)) === 0 && cursor.catchUp()) return;
          continue;
        }
        cursor.next = entry.seq + 1;
        yield entry;
        if (entry.pending === 0 && cursor.catchUp()) return;
      }
    } finally {
      pull.close();
    }
  }
}

class Cursor {
  /** The first sequence that was not yielded; undefined before the first entry. */
  next: number | undefined;
  /** When the stream was created: another time means other entries under the same sequences. */
  created: string | undefined;
  caughtUp = false;
  private readonly options: ReadOptions;

  constructor(options: ReadOptions) {
    this.options = options;
  }

  /** All entries that were stored at the start were yielded. Returns whether that ends the reading. */
  catchUp(): boolean {
    if (!this.caughtUp) {
      this.caughtUp = true;
      this.options.onCaughtUp?.();
    }
    return this.options.follow !== true;
  }

  start(): Partial<ConsumerConfig> {
    const from = this.next ?? this.options.fromSeq;
    if (from !== undefined) return { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: Math.max(1, from) };
    if (this.options.lastPerSubject === true) return { deliver_policy: DeliverPolicy.LastPerSubject };
    return { deliver_policy: DeliverPolicy.All };
  }
}

/** Opens a consumer, with retries; undefined when the signal was aborted. */
async function open(
  link: NatsLink,
  jsm: JetStreamManager,
  stream: string,
  cursor: Cursor,
  options: ReadOptions,
): Promise<Opened | undefined> {
  for (;;) {
    if (!(await link.whenConnected(options.signal))) {
      if (options.signal?.aborted === true) return undefined;
      throw new StreamError('unavailable', `the connection to nats was ended while reading ${stream}`);
    }
    try {
      // Alone they would run into their timeout, and a reader that is stopped meanwhile would not end before that.
      const found = await link.orLost(jsm.streams.info(stream), options.signal);
      if (found === lost) continue;
      cursor.created ??= found.created;
      if (cursor.created !== found.created) throw new StreamError('stream_reset', `stream ${stream} was made anew`);
      const adding = jsm.consumers.add(stream, {
        ...cursor.start(),
        ack_policy: AckPolicy.None,
        // LastPerSubject needs a filter; `>` matches everything.
        filter_subject: options.subject ?? '>',
        inactive_threshold: nanos(INACTIVE_MS),
        mem_storage: true,
        num_replicas: 1,
      });
      const info = await link.orLost(adding, options.signal);
      if (info === lost) continue;
      const batch = Math.min(1_000, Math.max(1, options.batch ?? DEFAULT_BATCH));
      const pull = new NatsPull(link, { stream, consumer: info.name, batch, signal: options.signal });
      return { pull, waiting: info.num_pending };
    } catch (error) {
      const failure = asStreamError(error, stream);
      if (failure.code !== 'unavailable') throw failure;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

async function pendingNow(jsm: JetStreamManager, stream: string, pull: NatsPull): Promise<number | undefined> {
  try {
    const info = await jsm.consumers.info(stream, pull.consumer);
    return info.num_pending;
  } catch (error) {
    if (error instanceof JetStreamApiError) pull.lose();
    return undefined;
  }
}
