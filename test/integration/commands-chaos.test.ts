import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { commandLedgerBalances, commandLedgerSettled, type CommandLedger } from '@muster/protocol';
import type { Program } from '@muster/local';
import type { CommandView, TargetView } from '../kit/api-client.js';
import { fleetOptions } from '../kit/fleet-options.js';
import { openLab, type Lab } from '../kit/lab.js';
import { call, textOf } from '../load/measure/rest.js';
import { FleetProcess } from '../load/fleet/fleet-process.js';
import { disagreements, type JournaledTarget } from '../simulator/index.js';

const AGENTS = 2_000;
const PER_SECOND = 200;
/** Load goes on for so long around each fault. */
const BEFORE_MS = 1_000;
const AFTER_MS = 5_000;

/** Sends commands at a steady rate, each to one or a few endpoints, and repeats what was not answered until it is. */
class Load {
  readonly #lab: Lab;
  readonly #agentIds: readonly string[];
  /** Idempotency keys with the id that each was accepted under. */
  readonly accepted = new Map<string, string>();
  readonly #pending = new Set<Promise<void>>();
  #timer: NodeJS.Timeout | undefined;
  #count = 0;
  #repeats = 0;

  constructor(lab: Lab, agentIds: readonly string[]) {
    this.#lab = lab;
    this.#agentIds = agentIds;
  }

  get repeats(): number {
    return this.#repeats;
  }

  start(): void {
    const perTick = PER_SECOND / 20;
    this.#timer = setInterval(() => {
      for (let i = 0; i < perTick; i += 1) {
        const sent = this.#send().finally(() => this.#pending.delete(sent));
        this.#pending.add(sent);
      }
    }, 50);
  }

  /** Resolves when everything that was sent has been accepted. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all(this.#pending);
  }

  /** Not by `fetch`, which costs this thread several times as much. */
  async #submit(body: string, key: string): Promise<string> {
    const { apiUrl: url, token } = this.#lab.stack;
    const headers = { 'idempotency-key': key };
    const response = await call({ url, token }, { method: 'POST', path: '/v1/commands', body, headers });
    const text = await textOf(response);
    if (response.statusCode !== 202) throw new Error(text);
    return (JSON.parse(text) as { id: string }).id;
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
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function eventually(what: string, holds: () => Promise<boolean>, withinMs: number): Promise<void> {
  const untilMs = performance.now() + withinMs;
  while (!(await holds().catch(() => false))) {
    if (performance.now() > untilMs) throw new Error(`${what}: not within ${withinMs} ms`);
    await pause(200);
  }
}

/** Runs `each` over all items, some at a time. */
async function forAll<T>(items: Iterable<T>, each: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) await each(next.value);
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}

describe(`${PER_SECOND} commands a second to ${AGENTS} agents, while everything dies once`, () => {
  let lab: Lab;
  let fleet: FleetProcess;
  let load: Load;

  beforeAll(async () => {
    lab = await openLab({ gateways: 2, commands: 2, restart: true });
    // In a process of its own: the load must not wait for the agents.
    fleet = await FleetProcess.start({
      t: 'fleet',
      keysFile: join(lab.stack.folder, 'fleet.json'),
      options: {
        ...fleetOptions(lab),
        agents: AGENTS,
        // Some die between running and reporting, and come back with what they had on disk.
        commands: { crashing: 0.02, failing: 0.05 },
      },
    });
    const agents = await lab.api.all<{ agentId: string }>('/v1/agents?limit=500');
    if (agents.length !== AGENTS) throw new Error(`${agents.length} agents are listed`);
    load = new Load(
      lab,
      agents.map(({ agentId }) => agentId),
    );
  }, 180_000);
  afterAll(async () => {
    await fleet.stop();
    await lab.close();
  });

  const kill = (program: Program | undefined): void => {
    expect(program?.signal('SIGKILL')).toBe(true);
  };

  it('every accepted command ends in exactly one state for every target, and nobody ran anything twice', async () => {
    load.start();
    const faults: readonly (() => void | Promise<void>)[] = [
      () => kill(lab.stack.commands[0]),
      () => kill(lab.stack.gateways[0]),
      async () => {
        await lab.brokers.redis.kill9();
        await lab.brokers.redis.restart();
      },
      async () => {
        await lab.brokers.nats.kill9();
        await lab.brokers.nats.restart();
      },
      () => lab.stack.commands.forEach(kill),
    ];
    for (const fault of faults) {
      await pause(BEFORE_MS);
      await fault();
      await pause(AFTER_MS);
    }
    await load.stop();
    const ids = [...load.accepted.values()];
    // A loaded machine accepts fewer than are asked; each fault must have met some.
    expect(ids.length).toBeGreaterThan(PER_SECOND * 2);
    process.stderr.write(`${ids.length} commands accepted, ${load.repeats} repeated\n`);
    // Repeats under one key never made a second command.
    expect(new Set(ids).size).toBe(ids.length);
    const listed = new Map(
      (await lab.api.all<CommandView>('/v1/commands?limit=200')).map((command) => [command.id, command]),
    );
    expect(ids.filter((id) => !listed.has(id))).toEqual([]);
    expect([...listed.keys()].filter((id) => !ids.includes(id))).toEqual([]);

    const open = async (): Promise<number> =>
      (await lab.api.all<CommandView>('/v1/commands?status=running&limit=200')).length;
    await eventually('all commands ended', async () => (await open()) === 0, 90_000);

    const unsettled: CommandView[] = [];
    const targets: JournaledTarget[] = [];
    await forAll(ids, async (id) => {
      const command = await lab.api.get<CommandView>(`/v1/commands/${id}`);
      const ledger = command.ledger as unknown as CommandLedger;
      const isSettled = commandLedgerBalances(ledger) && commandLedgerSettled(ledger) && command.status === 'ended';
      if (!isSettled) unsettled.push(command);
      const items = await lab.api.all<TargetView & JournaledTarget>(`/v1/commands/${id}/targets?limit=100`);
      targets.push(...items.map((target) => ({ ...target, command: id })));
    });
    expect(unsettled).toEqual([]);
    const runs = await fleet.runs();
    expect(runs.length).toBeGreaterThan(ids.length / 2);
    // Among these is everything that ran twice.
    expect(disagreements(runs, targets).slice(0, 20)).toEqual([]);
  }, 300_000);
});
