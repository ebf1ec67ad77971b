import { statfs } from 'node:fs/promises';
import type { Clock, Component, Logger, Timer } from '@muster/runtime/program';

interface DiskWatchOptions {
  readonly folder: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const PERIOD_MS = 60_000;
/** Nearly full is what has less room than both: a tenth of a large disk is plenty. */
const LOW_SHARE = 0.1;
const LOW_BYTES = 512 * 1024 ** 2;

/**
 * Logs when the file system of the data directory becomes nearly full: without room no command runs. Nothing is sent,
 * because the table `mounts` tells the same of a whole fleet.
 */
export class DiskWatch implements Component {
  readonly #options: DiskWatchOptions;
  #timer: Timer | undefined;
  #stopped = false;
  #isLow = false;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
  }

  start(): void {
    void this.#look();
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== undefined) this.#options.clock.clear(this.#timer);
  }

  /** The next look begins after this one, because a file system may hang. */
  async #look(): Promise<void> {
    const { folder, clock, logger } = this.#options;
    try {
      const { bavail, blocks, bsize } = await statfs(folder);
      this.#tell(bavail * bsize, blocks * bsize);
    } catch (error) {
      logger.debug('room of the data directory is not known', { err: error });
    }
    if (!this.#stopped) this.#timer = clock.setTimeout(() => void this.#look(), PERIOD_MS);
  }

  #tell(freeBytes: number, totalBytes: number): void {
    const { folder, logger } = this.#options;
    const isLow = freeBytes < Math.min(LOW_BYTES, LOW_SHARE * totalBytes);
    if (isLow === this.#isLow) return;
    this.#isLow = isLow;
    if (isLow) logger.warn('nearly full', { what: 'the disk of the data directory', folder, freeBytes, totalBytes });
    else logger.info('room again', { what: 'the disk of the data directory', folder, freeBytes, totalBytes });
  }
}
