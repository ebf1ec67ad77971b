import { appendFile } from 'node:fs/promises';
import type { StreamStore } from '@muster/bus';
import { signAuditHead, type AuditHead, type PrivateJwks } from '@muster/identity';
import { auditHash, orgOfAuditSubject, STREAMS } from '@muster/records';
import type { Clock, Component, Logger, Metrics, Timer } from '@muster/runtime';

export interface AuditHeadsOptions {
  readonly streams: StreamStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly everyMs: number;
  /** A file that grows by a line for each head. It belongs where nobody who can write to the broker can write. */
  readonly file: string | undefined;
  /** The keys that sign records, now. Without them heads are not signed. */
  readonly keys: (() => PrivateJwks) | undefined;
}

/** A head as it is put down: signed where there are keys. */
type Line = AuditHead & { readonly jws?: string };

/**
 * Puts the newest record of each org's audit chain down in a second place, at intervals and where it has changed: as a
 * line of the log, and of a file where one is set. A stream whose end was cut off, or that was written anew, does not
 * have these records any more, and `muster audit verify --heads` says so. Each API process does it: they are
 * independent witnesses.
 */
export class AuditHeads implements Component {
  readonly #options: AuditHeadsOptions;
  readonly #exports;
  /** Of each org the sequence of the head that was put down last. */
  readonly #done = new Map<string, number>();
  readonly #stopped = new AbortController();
  #timer: Timer | undefined;
  #exporting: Promise<void> | undefined;

  constructor(options: AuditHeadsOptions) {
    this.#options = options;
    this.#exports = options.metrics.counter({
      name: 'muster_api_audit_head_exports_total',
      help: 'Attempts to put down the heads of audit chains outside of the broker.',
      labels: ['result'],
      initial: [{ result: 'done' }, { result: 'failed' }],
    });
  }

  start(): void {
    void this.export();
    this.#timer = this.#options.clock.setInterval(() => void this.export(), this.#options.everyMs);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    this.#options.clock.clear(this.#timer);
    await this.#exporting;
  }

  /** Puts down what has changed since the last time. Never rejects. While one is under way it is the same. */
  export(): Promise<void> {
    this.#exporting ??= this.#export().finally(() => {
      this.#exporting = undefined;
    });
    return this.#exporting;
  }

  async #export(): Promise<void> {
    const { file, logger } = this.#options;
    try {
      const lines = await this.#changed();
      if (lines.length === 0) return;
      const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
      if (file !== undefined) await appendFile(file, text, { mode: 0o600 });
      for (const line of lines) {
        this.#done.set(line.org, line.seq);
        logger.info('audit head', { ...line });
      }
      this.#exports.inc({ result: 'done' });
    } catch (error) {
      if (this.#stopped.signal.aborted) return;
      this.#exports.inc({ result: 'failed' });
      logger.error('heads of the audit cannot be put down', { file, err: error });
    }
  }

  /** The heads that are others than the last time. One is enough: a reader that follows would get every record. */
  async #changed(): Promise<readonly Line[]> {
    const { streams } = this.#options;
    const lines = new Map<string, Line>();
    const newest = streams.read(STREAMS.audit.name, { lastPerSubject: true, signal: this.#stopped.signal });
    for await (const { subject, seq, data } of newest) {
      const org = orgOfAuditSubject(subject);
      if (org !== undefined && this.#done.get(org) !== seq) lines.set(org, this.#lineOf(org, seq, auditHash(data)));
    }
    return [...lines.values()];
  }

  #lineOf(org: string, seq: number, hash: string): Line {
    const { clock, keys } = this.#options;
    const head = { org, seq, hash, at: new Date(clock.now()).toISOString() };
    return keys === undefined ? head : { ...head, jws: signAuditHead(head, keys()) };
  }
}
