import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import type { CommandJson } from '@muster/api-contract';
import { commandLedgerBalances, commandLedgerSettled } from '@muster/protocol';
import { call } from '../load/measure/rest.js';
import { disagreements, type JournaledTarget, type Run } from '../simulator/index.js';
import { eventually } from '@muster/runtime/testing';
import type { Harness } from './harness.js';
import { text } from 'node:stream/consumers';

const TICK_MS = 50;

/** Sends commands at a steady rate, each to one to three endpoints, and repeats each request until it is answered. */
export class CommandLoad {
  /** The id of each accepted command, by idempotency key. */
  readonly accepted = new Map<string, string>();
  readonly #harness: Harness;
  readonly #agentIds: readonly string[];
  readonly #perSecond: number;
  readonly #pending = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #due = 0;
  #count = 0;
  #repeats = 0;

  constructor(harness: Harness, agentIds: readonly string[], perSecond: number) {
    this.#harness = harness;
    this.#agentIds = agentIds;
    this.#perSecond = perSecond;
  }

  get repeats(): number {
    return this.#repeats;
  }

  start(): void {
    this.#timer = setInterval(() => {
      for (this.#due += (this.#perSecond * TICK_MS) / 1_000; this.#due >= 1; this.#due -= 1) {
        const sent = this.#send().finally(() => this.#pending.delete(sent));
        this.#pending.add(sent);
      }
    }, TICK_MS);
  }

  /** Resolves when all commands that were sent are accepted. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#pending);
  }

  async #send(): Promise<void> {
    const at = this.#count++;
    const ids = [0, 1, 2].slice(0, 1 + (at % 3)).map((i) => this.#agentIds[(at * 7 + i) % this.#agentIds.length]);
    const body = { action: 'dns.flush', params: {}, target: { agentIds: ids }, expiresIn: '10m' };
    const key = randomUUID();
    for (;;) {
      try {
        this.accepted.set(key, await this.#submit(JSON.stringify(body), key));
        return;
      } catch {
        this.#repeats += 1;
        await new Promise((resolve) => setTimeout(resolve, 250 + Math.random() * 250));
      }
    }
  }

  /** Not by `fetch`, which takes several times as much processor time. */
  async #submit(body: string, key: string): Promise<string> {
    const { apiUrl: url, token } = this.#harness.stack;
    const headers = { 'idempotency-key': key };
    const response = await call({ url, token }, { method: 'POST', path: '/v1/commands', body, headers });
    const answer = await text(response);
    if (response.statusCode !== 202) throw new Error(answer);
    return (JSON.parse(answer) as { id: string }).id;
  }
}

/**
 * Expects of all commands that the harness ever had: accepted once, ended, one terminal state for each target, in agreement with what the
 * endpoints recorded. `runs` is called after all commands have ended.
 */
export async function expectCommandsSettled(
  harness: Harness,
  ids: readonly string[],
  runs: () => Promise<readonly Run[]> | readonly Run[],
  withinMs: number,
): Promise<void> {
  // A repeat under the same key never created a second command.
  expect(new Set(ids).size).toBe(ids.length);
  const open = async (): Promise<number> =>
    (await harness.api.all('GET /v1/commands', { query: { status: 'running' } })).length;
  await eventually(async () => (await open()) === 0, 'all commands ended', withinMs);
  const listed = new Set((await harness.api.all('GET /v1/commands', { pageSize: 200 })).map(({ id }) => id));
  expect(ids.filter((id) => !listed.has(id))).toEqual([]);

  const unsettled: CommandJson[] = [];
  const targets: JournaledTarget[] = [];
  await forAll(ids, async (id) => {
    const command = await harness.api.call('GET /v1/commands/{id}', { params: { id } });
    const { ledger } = command;
    const isSettled = commandLedgerBalances(ledger) && commandLedgerSettled(ledger) && command.status === 'ended';
    if (!isSettled) unsettled.push(command);
    const items = await harness.api.all('GET /v1/commands/{id}/targets', { params: { id }, pageSize: 100 });
    targets.push(...items.map((target) => ({ ...target, agentId: target.agentId ?? '', command: id })));
  });
  expect(unsettled).toEqual([]);
  const ran = await runs();
  expect(ran.length).toBeGreaterThan(ids.length / 2);
  // Commands that ran twice are among these.
  expect(disagreements(ran, targets).slice(0, 20)).toEqual([]);
}

async function forAll<T>(items: Iterable<T>, each: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) await each(next.value);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}
