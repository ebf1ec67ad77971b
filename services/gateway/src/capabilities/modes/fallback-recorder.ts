import type { DirectoryWriter } from '@muster/directory';
import type { AgentId, HelloBody } from '@muster/protocol';
import type { FallbackRecord } from '@muster/records';
import type { Clock, Logger } from '@muster/runtime';
import type { Session } from '../../sessions/hub/session.js';
import type { ModeMetrics } from './mode-metrics.js';

export interface FallbackRecorderOptions {
  readonly directory: Pick<DirectoryWriter, 'recordFallback'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ModeMetrics;
}

type Away = NonNullable<HelloBody['away']>;

interface Waiting {
  readonly session: Session;
  readonly record: FallbackRecord;
}

const WRITERS = 8;
const MAX_WAITING = 5_000;
/** An agent that says the same again within this time says nothing new. */
const REPEAT_MS = 600_000;
const MAX_REMEMBERED = 10_000;

/**
 * Puts on record that agents could not use the channel that they were told to use. When a proxy breaks, a whole fleet says so at once: the
 * newest word of each waits its turn, a few are written at a time, and what does not fit is counted and dropped. The agent says it again
 * with its next session.
 */
export class FallbackRecorder {
  readonly #options: FallbackRecorderOptions;
  readonly #waiting = new Map<AgentId, Waiting>();
  /** What was last kept of an agent, and when (monotonic); the longest ago first. */
  readonly #kept = new Map<AgentId, { readonly said: string; readonly atMs: number }>();
  readonly #writers = new Set<Promise<void>>();

  constructor(options: FallbackRecorderOptions) {
    this.#options = options;
  }

  /** What waits is dropped; resolves when nothing is under way. */
  async stop(): Promise<void> {
    this.#waiting.clear();
    await Promise.all(this.#writers);
  }

  said(session: Session, { forMs, failures, why }: Away): void {
    const { clock, metrics } = this.#options;
    const { agentId, mode } = session;
    metrics.away.inc({ mode });
    const kept = this.#kept.get(agentId);
    if (kept?.said === `${mode} ${why}` && clock.monotonic() - kept.atMs < REPEAT_MS) return;
    if (this.#waiting.size >= MAX_WAITING && !this.#waiting.has(agentId)) {
      metrics.awayRecords.inc({ result: 'dropped' });
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
      logger.info('agent was away from the channel it is to use', { agentId, mode, forMs, failures, why });
      const result = await directory.recordFallback(org, agentId, record);
      metrics.awayRecords.inc({ result: result.kind === 'ok' ? 'kept' : 'failed' });
      if (result.kind === 'ok') this.#remember(agentId, `${mode} ${why}`);
    }
  }

  #remember(agentId: AgentId, said: string): void {
    this.#kept.delete(agentId);
    this.#kept.set(agentId, { said, atMs: this.#options.clock.monotonic() });
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined && this.#kept.size > MAX_REMEMBERED) this.#kept.delete(oldest);
  }
}
