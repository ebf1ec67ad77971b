import type { JetStreamManager } from '@nats-io/jetstream';
import { DiscardPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { BROKER_SUBJECTS, RESERVE_STREAM } from '@muster/records';
import type { NatsLink } from './nats-link.js';
import { ensureStream, expectStream } from './nats-streams.js';

const STREAM = RESERVE_STREAM;
const SUBJECT = BROKER_SUBJECTS.reserve;
/** Told to all services when one of them gives a block up: what it leaves is not for what is new in the others. */
const SHORT = BROKER_SUBJECTS.storageShort;
const BLOCKS = 16;
const BLOCK_BYTES = 256 * 1024;

const REFILL_MS = 1_000;

/**
 * 4 MB of the broker's storage that are given up, block by block, for entries that must be stored where there is no room for others. Blocks
 * are put back as soon as the broker takes them. All services share it, and tell each other when one of them needs it.
 *
 * While blocks are missing, what they left is for those entries alone: others would use it up. So the others wait until it is whole again.
 */
export class StorageReserve {
  private readonly link: NatsLink;
  private readonly jsm: () => Promise<JetStreamManager>;
  private filling: Promise<void> | undefined;
  private filledAtMs = -Infinity;
  /** The broker has refused an entry for want of room, and the reserve was not whole since. */
  isShort = false;
  /** As those of the streams: every server that may be full has its part of the reserve. */
  replicas: number | undefined;
  /** Whether `muster-setup` makes its stream. */
  isExpected = false;

  constructor(link: NatsLink, jsm: () => Promise<JetStreamManager>) {
    this.link = link;
    this.jsm = jsm;
    link.nc.subscribe(SHORT, { callback: () => void (this.isShort = true) });
  }

  /** Tries once a second to fill it up. Returns whether it is whole, so that there is room for everything. Never rejects. */
  async refill(): Promise<boolean> {
    if (this.filling !== undefined || performance.now() - this.filledAtMs >= REFILL_MS) await this.fill();
    return !this.isShort;
  }

  /** Gives one block up, if there is one. Never rejects. */
  async release(): Promise<void> {
    this.isShort = true;
    try {
      this.link.nc.publish(SHORT);
      const jsm = await this.jsm();
      const { messages } = (await jsm.streams.info(STREAM)).state;
      if (messages > 0) await jsm.streams.purge(STREAM, { keep: messages - 1 });
    } catch (error) {
      this.link.logger.warn('the reserve of the storage cannot be used', { err: error });
    }
  }

  /** Fills it up as far as there is room. Never rejects. */
  fill(): Promise<void> {
    this.filling ??= this.fillUp()
      .catch((error: unknown) => {
        // The broker itself decides what it takes.
        this.isShort = false;
        this.link.logger.debug('the reserve of the storage cannot be filled', { err: error });
      })
      .finally(() => {
        this.filledAtMs = performance.now();
        this.filling = undefined;
      });
    return this.filling;
  }

  private async fillUp(): Promise<void> {
    const jsm = await this.jsm();
    const wanted = {
      ...{ name: STREAM, subjects: [SUBJECT], storage: StorageType.File, retention: RetentionPolicy.Limits },
      ...{ discard: DiscardPolicy.New, max_msgs: BLOCKS },
      ...(this.replicas === undefined ? {} : { num_replicas: this.replicas }),
    };
    const { state } = await (this.isExpected ? expectStream(jsm.streams, wanted) : ensureStream(jsm.streams, wanted));
    for (let blocks = state.messages; blocks < BLOCKS; blocks += 1) {
      const answer = await this.link.nc.request(SUBJECT, new Uint8Array(BLOCK_BYTES), { timeout: 5_000 });
      if (answer.json<{ error?: unknown }>().error !== undefined) break;
    }
    // Another service may have put in the last blocks.
    this.isShort = (await jsm.streams.info(STREAM)).state.messages < BLOCKS;
  }
}
