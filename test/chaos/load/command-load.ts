import { setTimeout as delay } from 'node:timers/promises';
import { followCommand } from '@muster/api-client';
import type { CommandJson } from '@muster/api-contract';
import { commandLedgerBalances } from '@muster/protocol';
import { seeded, seededUnit } from '../../simulator/machine/seeded.js';
import type { CommandObservation } from '../record/observations.js';
import type { LoadOptions } from './query-load.js';
import { post, type Post } from './post.js';

const TICK_MS = 50;
const REPEAT_AFTER_MS = 500;
const PATIENCE_MS = 120_000;

const WAITING = { path: '/v1/commands?wait=2s', waitMs: 2_000 } as const;
const SHARE = { waiting: 0.2, repeated: 0.1, doubled: 0.05, watched: 0.1, cancelled: 0.05 };

export interface CommandLoadOptions extends LoadOptions {
  readonly commandsPerSecond: number;
  readonly ordersAtOnce: number;
}

/** Callers who command actions on one to three endpoints at a steady rate, and repeat each command with its key until it is accepted. */
export class CommandLoad {
  readonly observations: CommandObservation[] = [];
  readonly #options: CommandLoadOptions;
  readonly #agentIds: readonly string[];
  readonly #underWay = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #count = 0;

  constructor(options: CommandLoadOptions, agentIds: readonly string[]) {
    this.#options = options;
    this.#agentIds = agentIds;
  }

  start(): void {
    const { commandsPerSecond, ordersAtOnce } = this.#options;
    let due = 0;
    this.#timer = setInterval(() => {
      due = Math.min(commandsPerSecond, due + (commandsPerSecond * TICK_MS) / 1_000);
      for (; due >= 1 && this.#underWay.size < ordersAtOnce; due -= 1) {
        const sent = this.#command(++this.#count).finally(() => this.#underWay.delete(sent));
        this.#underWay.add(sent);
      }
    }, TICK_MS);
  }

  /** Resolves when every command was accepted, or was refused for too long. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#underWay);
  }

  async #command(command: number): Promise<void> {
    const chance = (salt: string): number => seededUnit(this.#options.seed, command, salt);
    const observation: CommandObservation = { key: `command-${command}`, attempts: [], toldEnds: [], unbalanced: [] };
    this.observations.push(observation);
    const how = chance('waiting') < SHARE.waiting ? WAITING : { path: '/v1/commands' };
    const body = { action: 'dns.flush', params: {}, target: { agentIds: this.#targets(command) }, expiresIn: '10m' };
    const send = (beside = false): Promise<string | undefined> => this.#send(observation, { ...how, body, beside });
    if (chance('doubled') < SHARE.doubled) void send(true);
    const id = await this.#untilAccepted(observation, send);
    if (id === undefined) return;
    observation.id = id;
    if (chance('cancelled') < SHARE.cancelled) await this.#cancel(id);
    if (chance('repeated') < SHARE.repeated) await send();
    if (chance('watched') < SHARE.watched) await this.#watch(observation, id);
  }

  #targets(command: number): string[] {
    const count = 1 + (command % 3);
    const first = seeded(this.#options.seed, command, 'target') % this.#agentIds.length;
    return Array.from({ length: count }, (_, i) => this.#agentIds[(first + i) % this.#agentIds.length] ?? '');
  }

  async #untilAccepted(
    { attempts }: CommandObservation,
    send: () => Promise<string | undefined>,
  ): Promise<string | undefined> {
    const giveUpAtMs = Date.now() + PATIENCE_MS;
    for (let tries = 1; Date.now() < giveUpAtMs; tries += 1) {
      const id = await send();
      if (id !== undefined) return id;
      // A request that is wrong stays wrong; the oracle sees it.
      if (attempts.at(-1)?.status === 422) return undefined;
      // The first repeat comes at once: whoever was told "no" may.
      if (tries > 1) await delay(REPEAT_AFTER_MS);
    }
    return undefined;
  }

  async #send(
    { key, attempts, toldEnds }: CommandObservation,
    request: Omit<Post, 'key'>,
  ): Promise<string | undefined> {
    const { harness, record } = this.#options;
    const { attempt, answer } = await post(harness, { ...request, key });
    attempts.push(attempt);
    record.note('ordered', { key, ...attempt });
    if (attempt.id === undefined) return undefined;
    if ((answer as CommandJson).status === 'ended') toldEnds.push(answer as CommandJson);
    return attempt.id;
  }

  async #cancel(id: string): Promise<void> {
    const { harness, record } = this.#options;
    const told = await harness.api.fetch(`/v1/commands/${id}`, { method: 'DELETE' }).then(
      async (response) => (await response.text(), response.status),
      (error: unknown) => String(error),
    );
    record.note('cancelled', { id, told });
  }

  async #watch({ toldEnds, unbalanced }: CommandObservation, id: string): Promise<void> {
    const { harness, record } = this.#options;
    try {
      const ended = await followCommand(harness.api, id, (ledger) => {
        if (!commandLedgerBalances(ledger)) unbalanced.push(ledger);
      });
      toldEnds.push(ended);
      record.note('told end of command', { id, ledger: ended.ledger });
    } catch (error) {
      record.note('viewer failed', { id, error: String(error) });
    }
  }
}
