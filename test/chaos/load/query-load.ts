import { setTimeout as delay } from 'node:timers/promises';
import { ledgerBalances } from '@muster/protocol';
import { seededUnit } from '../../simulator/machine/seeded.js';
import type { Harness } from '../../kit/harness.js';
import type { ChaosRecord } from '../record/chaos-record.js';
import type { QueryObservation, Viewing } from '../record/observations.js';
import { post } from './post.js';

const REPEAT_AFTER_MS = 500;
/** Who has been told "no" for so long asks something else. */
const PATIENCE_MS = 90_000;

/** What each share of the questions is like. */
const SHARE = { grouped: 0.5, hurried: 0.3, cancelled: 0.1, watchedTwice: 0.3 };
const TIMEOUT_MS = { hurried: [1_000, 3_000], patient: [6_000, 12_000] } as const;

export interface LoadOptions {
  readonly harness: Harness;
  readonly record: ChaosRecord;
  readonly seed: number;
}

export interface QueryLoadOptions extends LoadOptions {
  readonly askers: number;
  /** The shortest and the longest time of all questions; without it a share is in a hurry. */
  readonly timeoutMs?: readonly [number, number];
}

/** Callers who ask one question after the other, and follow each to its end. */
export class QueryLoad {
  readonly observations: QueryObservation[] = [];
  readonly #options: QueryLoadOptions;
  #asks = 0;
  #stopping = false;
  #askers: Promise<unknown> = Promise.resolve();

  constructor(options: QueryLoadOptions) {
    this.#options = options;
  }

  start(): void {
    this.#askers = Promise.all(Array.from({ length: this.#options.askers }, () => this.#keepAsking()));
  }

  /** Resolves when every question that was asked has ended for its viewers. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#askers;
  }

  async #keepAsking(): Promise<void> {
    while (!this.#stopping) await this.#ask(++this.#asks);
  }

  async #ask(ask: number): Promise<void> {
    const chance = (salt: string): number => seededUnit(this.#options.seed, ask, salt);
    const usual = chance('hurried') < SHARE.hurried ? TIMEOUT_MS.hurried : TIMEOUT_MS.patient;
    const [least, most] = this.#options.timeoutMs ?? usual;
    const observation: QueryObservation = {
      ask,
      key: `ask-${ask}`,
      mode: chance('grouped') < SHARE.grouped ? 'group' : 'raw',
      timeoutMs: Math.round(least + chance('timeout') * (most - least)),
      attempts: [],
      viewings: [],
    };
    this.observations.push(observation);
    await this.#follow(observation, chance);
    observation.done = true;
  }

  async #follow(observation: QueryObservation, chance: (salt: string) => number): Promise<void> {
    const id = await this.#start(observation);
    if (id === undefined) return;
    observation.id = id;
    const watchers = [this.#watch(observation, id, 0)];
    if (chance('twice') < SHARE.watchedTwice) watchers.push(this.#watch(observation, id, 500));
    if (chance('cancel') < SHARE.cancelled)
      watchers.push(this.#cancel(observation, id, chance('cancel after') * 2_000));
    await Promise.all(watchers);
  }

  async #start(observation: QueryObservation): Promise<string | undefined> {
    const { harness, record } = this.#options;
    const { ask, key, mode, timeoutMs, attempts } = observation;
    const body = { sql: `SELECT hostname, ${ask} AS ask FROM system_info`, mode, timeoutMs };
    const giveUpAtMs = Date.now() + PATIENCE_MS;
    while (Date.now() < giveUpAtMs) {
      const { attempt } = await post(harness, { path: '/v1/queries', body, key });
      attempts.push(attempt);
      record.note('asked', { ask, mode, timeoutMs, ...attempt });
      if (attempt.id !== undefined) return attempt.id;
      // The first repeat comes at once: whoever was told "no" may.
      if (attempts.length > 1) await delay(REPEAT_AFTER_MS);
      if (this.#stopping) return undefined;
    }
    return undefined;
  }

  async #watch(observation: QueryObservation, id: string, afterMs: number): Promise<void> {
    await delay(afterMs);
    const viewing: Viewing = { fromMs: Date.now(), unbalanced: [], agents: new Set() };
    observation.viewings.push(viewing);
    const giveUpAtMs = Date.now() + PATIENCE_MS;
    const format = afterMs === 0 ? 'ndjson' : 'sse';
    // The client resumes by itself until the API is away for too long; then its reader begins anew.
    while (viewing.afterEnd === undefined && Date.now() < giveUpAtMs) {
      try {
        await this.#read(viewing, { id, ask: observation.ask, format });
      } catch (error) {
        viewing.failed = String(error);
        this.#options.record.note('viewer failed', { ask: observation.ask, id, error: String(error) });
        await delay(REPEAT_AFTER_MS);
      }
    }
  }

  async #read(
    viewing: Viewing,
    { id, ask, format }: { readonly id: string; readonly ask: number; readonly format: 'ndjson' | 'sse' },
  ): Promise<void> {
    const { harness, record } = this.#options;
    for await (const event of harness.api.events('GET /v1/queries/{id}/events', { params: { id }, format })) {
      if (event.event === 'progress' && !ledgerBalances(event.ledger)) viewing.unbalanced.push(event.ledger);
      if (event.event === 'rows')
        for (const { agentId, num } of event.answers) viewing.agents.add(agentId ?? `#${num}`);
      if (event.event === 'ended') {
        const { query, synthesized = false } = event;
        const { state, ledger, offline } = query;
        viewing.ended ??= { atMs: Date.now(), query, synthesized };
        record.note('told end', { ask, id, state, ledger, offline, synthesized });
      }
    }
    viewing.afterEnd = await harness.api.call('GET /v1/queries/{id}', { params: { id } });
  }

  async #cancel(observation: QueryObservation, id: string, afterMs: number): Promise<void> {
    await delay(afterMs);
    const { harness, record } = this.#options;
    observation.cancelledAtMs = Date.now();
    const status = await harness.api.fetch(`/v1/queries/${id}`, { method: 'DELETE' }).then(
      async (response) => {
        await response.arrayBuffer();
        return response.status;
      },
      (error: unknown) => String(error),
    );
    record.note('cancelled', { ask: observation.ask, id, status });
  }
}
