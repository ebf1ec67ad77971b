import { readFileSync, statSync } from 'node:fs';
import type { Clock, Logger, Metrics, Timer } from '@muster/runtime';
import { earliestExpiry } from './certificate-expiry.js';
import { tlsFileFaults } from './tls-files.js';

export interface FollowedCertificateOptions {
  /** Without them the service speaks plain HTTP, and there is nothing to follow and no metric. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string };
  /** Makes the listener take certificate and key from their files. What it throws leaves it with the old ones. */
  readonly apply: () => void | Promise<void>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const CHECK_MS = 5_000;

/**
 * The certificate and key of a listener, whose files are checked every five seconds: a pair that is valid is used for new connections,
 * and open ones stay. Files that are half written, missing or no pair leave the last valid pair in force; a metric and the log say so.
 */
export class FollowedCertificate {
  readonly #options: FollowedCertificateOptions;
  readonly #reloads;
  /** Version of the files that is in force. */
  #version = '';
  #fault = '';
  #expiresMs = Number.NaN;
  #isChecking = false;
  #timer: Timer | undefined;

  constructor(options: FollowedCertificateOptions) {
    this.#options = options;
    const { tls, metrics } = options;
    if (tls === undefined) return;
    // The listener has read them by now, or did not start.
    this.#version = versionOf(tls);
    this.#expiresMs = earliestExpiry(readFileSync(tls.certFile, 'utf8'));
    metrics.gauge({
      name: `muster_${metrics.service}_certificate_expiry_timestamp_seconds`,
      help: 'When the certificate that this process serves expires, in seconds since 1970.',
      collect: (gauge) => gauge.set(this.#expiresMs / 1_000),
    });
    this.#reloads = metrics.counter({
      name: `muster_${metrics.service}_certificate_reloads_total`,
      help: 'Changed files of certificate and key: taken, or found wrong at a check while the last valid pair stays in force.',
      labels: ['result'],
      initial: [{ result: 'done' }, { result: 'failed' }],
    });
  }

  start(): void {
    const { tls, clock } = this.#options;
    if (tls !== undefined) this.#timer = clock.setInterval(() => void this.#check(tls), CHECK_MS);
  }

  stop(): void {
    this.#options.clock.clear(this.#timer);
  }

  async #check(tls: Files): Promise<void> {
    const { logger } = this.#options;
    if (this.#isChecking) return;
    this.#isChecking = true;
    try {
      await this.#takeChanged(tls);
    } catch (error) {
      this.#reloads?.inc({ result: 'failed' });
      const fault = error instanceof Error ? error.message : String(error);
      if (fault !== this.#fault) logger.error('certificate cannot be reread; the last valid one stays', { fault });
      this.#fault = fault;
    } finally {
      this.#isChecking = false;
    }
  }

  async #takeChanged(tls: Files): Promise<void> {
    const { apply, logger } = this.#options;
    const version = versionOf(tls);
    if (version === this.#version) {
      this.#fault = '';
      return;
    }
    const [cert, key] = [
      { name: 'MUSTER_TLS_CERT_FILE', path: tls.certFile },
      { name: 'MUSTER_TLS_KEY_FILE', path: tls.keyFile },
    ];
    const faults = tlsFileFaults(cert, key).map(({ name, fault }) => `${name} ${fault}`);
    if (faults.length > 0) throw new Error(faults.join('; '));
    const expiresMs = earliestExpiry(readFileSync(tls.certFile, 'utf8'));
    await apply();
    // Files that changed meanwhile have another version, and are taken at the next check.
    [this.#version, this.#expiresMs, this.#fault] = [version, expiresMs, ''];
    this.#reloads?.inc({ result: 'done' });
    logger.info('certificate reread', { expires: new Date(expiresMs).toISOString() });
  }
}

type Files = NonNullable<FollowedCertificateOptions['tls']>;

function versionOf({ certFile, keyFile }: Files): string {
  return [certFile, keyFile]
    .map((path) => {
      const { mtimeMs, size, ino } = statSync(path);
      return `${mtimeMs} ${size} ${ino}`;
    })
    .join(', ');
}
