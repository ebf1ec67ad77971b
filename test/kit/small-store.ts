import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectNats, type Broker } from '@muster/bus';
import type { StackOptions } from '@muster/local';
import { natsAccess, newPassword, startNats, startRedis, type NatsHandle } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';
import type { TestBrokers } from '@muster/testkit';

const STREAM = 'FILLER';
const SUBJECT = 'filler';
const ENTRY_BYTES = 64 * 1024;

/** The smallest bounds of streams: NATS reserves 32 MiB for them. */
const BOUNDS = {
  MUSTER_STREAM_RESULTS_BYTES: '16MiB',
  MUSTER_STREAM_IDEMPOTENCY_BYTES: '16MiB',
};

/** Settings of all services for a NATS that may store so much. */
export function smallStoreSettings(storeBytes: number): NonNullable<StackOptions['env']> {
  const common = { ...BOUNDS, MUSTER_STORAGE_LIMIT: String(storeBytes) };
  return {
    ...{ setup: common, gateway: common, command: common, api: common },
    query: { ...common, MUSTER_QUERY_MAX_RESULT_BYTES: '16MiB' },
  };
}

/** Brokers whose NATS has little room, under `natsDir` where one is given. */
export async function startSmallBrokers(storeBytes: number, natsDir?: string): Promise<SmallBrokers> {
  const folder = await mkdtemp(join(tmpdir(), 'muster-small-'));
  const logger = silentLogger;
  const access = natsAccess({ user: 'muster', password: newPassword() });
  const nats = await startNats({ dataDir: natsDir ?? join(folder, 'nats'), logger, access, maxStoreBytes: storeBytes });
  const redis = await startRedis({ dataDir: join(folder, 'redis'), logger });
  const stop = async (): Promise<void> => {
    await Promise.all([nats.stop(), redis.stop()]);
    await rm(folder, { recursive: true, force: true });
  };
  return { source: 'binaries', nats, redis, stop };
}

export interface SmallBrokers extends TestBrokers {
  readonly nats: NatsHandle;
}

/** A stream beside those of Muster that takes the room of NATS. */
export class Filler {
  readonly #broker: Broker;

  private constructor(broker: Broker) {
    this.#broker = broker;
  }

  static async open(natsUrl: string): Promise<Filler> {
    const broker = await connectNats({ servers: [natsUrl], name: 'filler', logger: silentLogger });
    await broker.streams.ensure([{ name: STREAM, subjects: [SUBJECT] }]);
    return new Filler(broker);
  }

  /** Until NATS stores so many bytes in all; without a number, until it refuses an entry. */
  async fill(upToBytes = Number.POSITIVE_INFINITY): Promise<void> {
    for (;;) {
      const { usedBytes } = await this.#broker.streams.storage();
      for (let bytes = usedBytes; bytes < Math.min(upToBytes, usedBytes + 16 * ENTRY_BYTES); bytes += ENTRY_BYTES) {
        // Not by `append`, which leaves the last room to what is essential.
        const reply = await this.#broker.bus.request(SUBJECT, new Uint8Array(ENTRY_BYTES), { timeoutMs: 20_000 });
        if (reply.kind !== 'reply') throw new Error(`the filler got ${reply.kind}`);
        if ('error' in (JSON.parse(new TextDecoder().decode(reply.data)) as object)) return;
      }
      if (usedBytes >= upToBytes) return;
    }
  }

  async empty(): Promise<void> {
    const api = `$JS.API.STREAM.PURGE.${STREAM}`;
    const reply = await this.#broker.bus.request(api, new Uint8Array(), { timeoutMs: 20_000 });
    if (reply.kind !== 'reply') throw new Error(`the purge got ${reply.kind}`);
  }

  async close(): Promise<void> {
    await this.#broker.stop();
  }
}
