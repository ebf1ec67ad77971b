import type { CommandReport } from '@muster/messages';
import { BatchScheduler } from '../../foundation/batch-scheduler.js';
import type { CapabilityContext } from '../../foundation/capability.js';
import type { CommandMetrics } from './command-metrics.js';
import type { ReportSender } from './report-sender.js';

export interface ReportQueueOptions extends Pick<CapabilityContext, 'bus' | 'clock'> {
  readonly metrics: CommandMetrics;
  readonly sender: Pick<ReportSender, 'send'>;
}

const EVERY_MS = 5;
/** After a large batch: each batch costs an entry in the journal, and every reader of the journal. */
const BUSY_EVERY_MS = 30;
const LARGE_BATCH = 50;
const BATCH_BYTES = 128 * 1024;
const BATCH_REPORTS = 1_000;
/** How much waits while the broker is away. Agents repeat what nobody kept, so more than this is not worth its memory. */
const HELD_BYTES = 4 * 1024 * 1024;
const HELD_REPORTS = 10_000;
/** The size of a report besides its texts. */
const OVERHEAD_BYTES = 120;

/** Reports on their way to the command services, in batches. What cannot be sent is dropped and counted: agents repeat until it is kept. */
export class ReportQueue {
  readonly #options: ReportQueueOptions;
  readonly #scheduler: BatchScheduler;
  #reports: CommandReport[] = [];
  #sizes: number[] = [];
  #bytes = 0;

  constructor(options: ReportQueueOptions) {
    this.#options = options;
    this.#scheduler = new BatchScheduler({ clock: options.clock, everyMs: EVERY_MS, run: () => this.flush() });
  }

  /** `bytes`: of its body. */
  add(report: CommandReport, bytes: number): void {
    const { bus, metrics } = this.#options;
    const size = bytes + OVERHEAD_BYTES;
    if (this.#reports.length >= HELD_REPORTS || this.#bytes + size > HELD_BYTES) {
      metrics.reports.inc({ result: 'full' });
      return;
    }
    this.#reports.push(report);
    this.#sizes.push(size);
    this.#bytes += size;
    if (!bus.connected) return;
    if (this.#bytes >= BATCH_BYTES || this.#reports.length >= BATCH_REPORTS) this.#scheduler.now();
    else this.#scheduler.due();
  }

  /** Sends everything that waits, unless the broker is away. Returns how many milliseconds the next batch should gather. */
  flush(): number {
    if (this.#reports.length === 0 || !this.#options.bus.connected) return EVERY_MS;
    const [reports, sizes] = [this.#reports, this.#sizes];
    this.#forget();
    for (let from = 0; from < reports.length;) {
      let to = from;
      for (let bytes = 0; to < reports.length && to - from < BATCH_REPORTS && bytes < BATCH_BYTES; to += 1) {
        bytes += sizes[to] ?? 0;
      }
      this.#options.sender.send(reports.slice(from, to));
      from = to;
    }
    return reports.length >= LARGE_BATCH ? BUSY_EVERY_MS : EVERY_MS;
  }

  /** Forgets what waits: it was reported to a gateway that is no longer believed. */
  clear(): void {
    this.#options.metrics.reports.inc({ result: 'fenced' }, this.#reports.length);
    this.#forget();
    this.#scheduler.cancel();
  }

  #forget(): void {
    this.#reports = [];
    this.#sizes = [];
    this.#bytes = 0;
  }
}
