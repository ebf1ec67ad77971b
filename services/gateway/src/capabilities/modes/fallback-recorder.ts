import type { DirectoryWriter } from '@muster/directory';
import type { AgentId, HelloBody } from '@muster/protocol';
import type { FallbackRecord } from '@muster/records';
import type { Clock, Logger } from '@muster/runtime';
import { ExpiringCache } from '../../foundation/expiring-cache.js';
import type { SessionView } from '../../foundation/session-view.js';
import type { ModeMetrics } from './mode-metrics.js';

export interface FallbackRecorderOptions {
  readonly directory: Pick<DirectoryWriter, 'recordFallback'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ModeMetrics;
}

/** What HELLO says of it: for how long the agent could not use its assigned channel, after how many attempts, and why. */
type Fallback = NonNullable<HelloBody['away']>;

interface Waiting {
  readonly session: SessionView;
  readonly record: FallbackRecord;
}

const WRITERS = 8;
const MAX_WAITING = 5_000;
/** An agent that says the same again within this time says nothing new. */
const REPEAT_MS = 600_000;
const MAX_REMEMBERED = 10_000;

/**
 * Records that agents could not use their assigned channel. When a proxy breaks, a whole fleet says so at once: the newest word of each
 * agent waits, a few are written at a time, and what does not fit is counted and dropped. The agent says it again with its next session.
 */
export class FallbackRecorder {
  readonly #options: FallbackRecorderOptions;
  readonly #waiting = new Map<AgentId, Waiting>();
  /** What was last recorded of an agent. */
  readonly #recorded: ExpiringCache<string>;
  readonly #writers = new Set<Promise<void>>();

  constructor(options: FallbackRecorderOptions) {
    this.#options = options;
    this.#recorded = new ExpiringCache(options.clock, { max: MAX_REMEMBERED, ttlMs: REPEAT_MS });
  }

  /** What waits is dropped; resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#waiting.clear();
    await Promise.all(this.#writers);
  }

  record(session: SessionView, { forMs, failures, why }: Fallback): void {
    const { clock, metrics } = this.#options;
    const { agentId, mode } = session;
    metrics.fallbacks.inc({ mode });
    if (this.#recorded.peek(agentId) === `${mode} ${why}`) return;
    if (this.#waiting.size >= MAX_WAITING && !this.#waiting.has(agentId)) {
      metrics.fallbackRecords.inc({ result: 'dropped' });
      return;
    }
    this.#waiting.set(agentId, { session, record: { atMs: clock.now(), mode, forMs, failures, why } });
    if (this.#writers.size < WRITERS) this.#startWriter();
  }

  #startWriter(): void {
    const writer: Promise<void> = this.#write().finally(() => this.#writers.delete(writer));
    this.#writers.add(writer);
  }

  async #write(): Promise<void> {
    const { directory, logger, metrics } = this.#options;
    for (;;) {
      const [next] = this.#waiting.values();
      if (next === undefined) return;
      const { session, record } = next;
      const { org, agentId } = session;
      this.#waiting.delete(agentId);
      const { mode, forMs, failures, why } = record;
      logger.info('agent could not use its assigned channel', { agentId, mode, forMs, failures, why });
      const result = await directory.recordFallback(org, agentId, record);
      metrics.fallbackRecords.inc({ result: result.kind === 'ok' ? 'kept' : 'failed' });
      if (result.kind === 'ok') this.#recorded.set(agentId, `${mode} ${why}`);
    }
  }
}
