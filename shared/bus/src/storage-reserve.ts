import type { JetStreamManager } from '@nats-io/jetstream';
import { DiscardPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import type { NatsLink } from './nats-link.js';

const STREAM = 'MUSTER_RESERVE';
const SUBJECT = 'muster.v1.reserve';
const BLOCKS = 16;
const BLOCK_BYTES = 256 * 1024;

/**
 * 4 MB of the broker's storage that are given up, block by block, for entries that must be stored where there is no room for others. Blocks
 * are put back as soon as the broker takes them. All services share it.
 */
export class StorageReserve {
  private readonly link: NatsLink;
  private readonly jsm: () => Promise<JetStreamManager>;
  private filling: Promise<void> | undefined;

  constructor(link: NatsLink, jsm: () => Promise<JetStreamManager>) {
    this.link = link;
    this.jsm = jsm;
  }

  /** Gives one block up, if there is one. Never rejects. */
  async release(): Promise<void> {
    try {
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
      .catch((error: unknown) => this.link.logger.debug('the reserve of the storage cannot be filled', { err: error }))
      .finally(() => (this.filling = undefined));
    return this.filling;
  }

  private async fillUp(): Promise<void> {
    const jsm = await this.jsm();
    const { state } = await jsm.streams.add({
      ...{ name: STREAM, subjects: [SUBJECT], storage: StorageType.File, retention: RetentionPolicy.Limits },
      ...{ discard: DiscardPolicy.New, max_msgs: BLOCKS, num_replicas: 1 },
    });
    for (let blocks = state.messages; blocks < BLOCKS; blocks += 1) {
      const answer = await this.link.nc.request(SUBJECT, new Uint8Array(BLOCK_BYTES), { timeout: 5_000 });
      if (answer.json<{ error?: unknown }>().error !== undefined) return;
    }
  }
}
