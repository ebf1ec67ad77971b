import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startNats, type NatsHandle } from '@muster/local/brokers';
import { silentLogger } from '@muster/runtime';

const STORE_BYTES = 100_000_000;

/** A nats-server with one account for everybody, whose storage limit is set and removed while it runs. */
export class LimitedAccount {
  readonly server: NatsHandle;
  readonly #dataDir: string;

  private constructor(server: NatsHandle, dataDir: string) {
    this.server = server;
    this.#dataDir = dataDir;
  }

  static async start(): Promise<LimitedAccount> {
    const dataDir = await mkdtemp(join(tmpdir(), 'muster-account-'));
    const setting = { dataDir, logger: silentLogger, maxStoreBytes: STORE_BYTES, config: accounts(undefined) };
    return new LimitedAccount(await startNats(setting), dataDir);
  }

  /** The server takes it within moments: `storage()` of a broker shows it. */
  async limit(bytes: number | undefined): Promise<void> {
    const store = JSON.stringify(join(this.#dataDir, 'jetstream'));
    const jetstream = `jetstream { store_dir: ${store}, max_file_store: ${STORE_BYTES} }`;
    await writeFile(join(this.#dataDir, 'nats.conf'), `${jetstream}\n${accounts(bytes)}`);
    process.kill(this.server.pid!, 'SIGHUP');
  }

  /** Whether this server stores what is beyond the limit before it refuses it. */
  async isLosing(): Promise<boolean> {
    const answer = await fetch(`${this.server.monitorUrl}/varz`);
    const { version } = (await answer.json()) as { version: string };
    return /^2\.[0-9]\./.test(version);
  }

  async stop(): Promise<void> {
    await this.server.stop();
    await rm(this.#dataDir, { recursive: true });
  }
}

function accounts(bytes: number | undefined): string {
  const jetstream = bytes === undefined ? 'enabled' : `{ max_mem: 1000000, max_file: ${bytes} }`;
  return `accounts { A { jetstream: ${jetstream}, users: [{ user: a, password: a }] } }\nno_auth_user: a\n`;
}
