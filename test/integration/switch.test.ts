import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runQuery } from '@muster/api-client';
import type { GroupJson, LedgerJson, RawRowJson } from '@muster/api-contract';
import { ledgerBalances, type SessionMode } from '@muster/protocol';
import { CommandLoad, expectCommandsSettled } from '../kit/command-load.js';
import { eventually } from '@muster/runtime/testing';
import { startHarness, type Harness, fleetOptions } from '../kit/harness.js';
import { Fleet } from '../simulator/index.js';
import { seededUnit } from '../simulator/machine/seeded.js';

const AGENTS = 200;
const EVERY_MS = 200;
const COMMANDS_PER_SECOND = 20;
/** How long a busy machine may take until as many channels have changed as there are agents. */
const GIVE_UP_MS = 90_000;
const SQL = 'SELECT hostname FROM system_info';

/** Assigns one channel to all, then to a random half of the fleet, again and again, alternating between the channels. */
class Operator {
  readonly #harness: Harness;
  readonly #agentIds: readonly string[];
  /** The latest assignment of each agent. */
  readonly assigned = new Map<string, SessionMode>();
  overrides = 0;
  #running: Promise<void> | undefined;
  #stopped = false;

  constructor(harness: Harness, agentIds: readonly string[]) {
    this.#harness = harness;
    this.#agentIds = agentIds;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    for (let nextMs = performance.now(); !this.#stopped;) {
      const salt = `override ${this.overrides}`;
      // First to all: on a busy machine there are so few that a half would leave some out.
      const half = this.#agentIds.filter((_, i) => this.overrides === 0 || seededUnit(1, i, salt) < 0.5);
      await this.#override(half, this.overrides % 2 === 0 ? 'poll' : 'live');
      nextMs = Math.max(nextMs + EVERY_MS, performance.now());
      await new Promise((resolve) => setTimeout(resolve, nextMs - performance.now()));
    }
  }

  /** Repeats the request until it has succeeded, so that the latest assignment counts. */
  async #override(agentIds: readonly string[], mode: SessionMode): Promise<void> {
    const body = { agentIds, mode, interval: '1s', reason: 'test' };
    for (;;) {
      const response = await this.#harness.api.fetch('/v1/agents/mode', { method: 'POST', body });
      const reply = (await response.json()) as { failed?: number };
      if (response.status === 200 && reply.failed === 0) break;
      if (response.status < 500 && response.status !== 200) throw new Error(JSON.stringify(reply));
    }
    for (const agentId of agentIds) this.assigned.set(agentId, mode);
    this.overrides += 1;
  }
}

function expectBalanced(ledger: LedgerJson): void {
  expect([ledger, ledgerBalances(ledger)]).toEqual([ledger, true]);
}

describe(`${AGENTS} agents whose channel changes every ${EVERY_MS} ms, under queries and commands`, () => {
  let harness: Harness;
  let fleet: Fleet;
  const accepted: string[] = [];

  beforeAll(async () => {
    harness = await startHarness({ gateways: 2, restart: true });
    fleet = new Fleet({
      ...fleetOptions(harness),
      agents: AGENTS,
      // Without stickiness: a poll may reach a gateway that does not hold its session.
      channel: { mode: 'mixed', pollIntervalMs: 1_000, scattered: true },
      commands: { runMs: [0, 400] },
      behaviour: { slow: 0.2 },
      slowMs: 300,
    });
    await fleet.start();
    await fleet.waitFor(() => fleet.count('ready') === AGENTS);
  });
  afterAll(async () => {
    await fleet.stop();
    await harness.close();
  });

  /** Runs one query. `whole`: no endpoint may be missing. */
  async function ask(mode: 'raw' | 'group', whole: boolean): Promise<void> {
    const ended = await runQuery(harness.api, { sql: SQL, mode, timeout: whole ? '30s' : '10s' }, expectBalanced);
    expectBalanced(ended.ledger);
    expect(ended.ledger.waiting).toBe(0);
    const call = { params: { id: ended.id }, pageSize: 1_000 };
    const missing = await harness.api.all('GET /v1/queries/{id}/endpoints', call);
    if (whole) expect([ended.ledger, missing]).toMatchObject([{ targeted: AGENTS, answered: AGENTS }, []]);
    const hosts = new Map(fleet.agents.map(({ agentId, machine }) => [agentId, machine.facts.host]));
    const counted = new Map<unknown, number>();
    const count = (host: unknown, endpoints: number): void =>
      void counted.set(host, (counted.get(host) ?? 0) + endpoints);
    if (mode === 'raw') {
      const rows = (await harness.api.all('GET /v1/queries/{id}/rows', call)) as RawRowJson[];
      expect(rows.filter(({ agentId, values }) => hosts.get(agentId ?? '') !== values[0])).toEqual([]);
      for (const { values } of rows) count(values[0], 1);
    } else {
      const groups = (await harness.api.all('GET /v1/queries/{id}/rows', call)) as GroupJson[];
      for (const { values, endpoints, copies } of groups) count(values[0], Math.max(endpoints, copies));
    }
    // Host names are unique: each endpoint that answered did so exactly once.
    const names = new Set(hosts.values());
    expect([...counted].filter(([name, times]) => times !== 1 || !names.has(String(name)))).toEqual([]);
    expect(missing.filter(({ agentId }) => counted.has(hosts.get(agentId ?? '')))).toEqual([]);
    expect([counted.size, missing.length]).toEqual([
      ended.ledger.answered,
      ended.ledger.targeted - ended.ledger.answered,
    ]);
  }

  /** Changes channels under load, with `fault` after a third of the time, and checks the results. */
  async function switchUnderLoad(forMs: number, fault?: () => void | Promise<void>): Promise<void> {
    const ids = fleet.agents.map(({ agentId }) => agentId);
    const operator = new Operator(harness, ids);
    const load = new CommandLoad(harness, ids, COMMANDS_PER_SECOND);
    const changesBefore = fleet.stats.changes;
    const beganMs = performance.now();
    operator.start();
    load.start();
    let faulted: Promise<void> | undefined;
    let queries = 0;
    try {
      const goesOn = (): boolean =>
        performance.now() - beganMs < forMs || fleet.stats.changes <= changesBefore + AGENTS;
      for (; goesOn() && performance.now() - beganMs < GIVE_UP_MS; queries += 1) {
        if (fault !== undefined && performance.now() - beganMs > forMs / 3) faulted ??= Promise.resolve(fault());
        await ask(queries % 2 === 0 ? 'raw' : 'group', fault === undefined);
      }
      await faulted;
    } finally {
      await operator.stop();
      await load.stop();
      // Also of a part that fails: the parts after it judge all commands that ever were.
      accepted.push(...load.accepted.values());
    }
    const changes = fleet.stats.changes - changesBefore;
    process.stderr.write(
      `${queries} queries, ${operator.overrides} overrides, ${changes} changes, ${load.accepted.size} commands, ${JSON.stringify([...fleet.stats.ends])}\n`,
    );
    expect(changes).toBeGreaterThan(AGENTS);

    const misplaced = (): string[] =>
      fleet.agents.filter(({ agentId, mode }) => mode !== operator.assigned.get(agentId)).map(({ agentId }) => agentId);
    await eventually(() => misplaced().length === 0, 'every agent is on the channel that was assigned last');
    const listed = await harness.api.all('GET /v1/agents', { pageSize: 500 });
    expect(listed.filter(({ duplicate }) => duplicate !== undefined)).toEqual([]);
    expect([fleet.count('excluded'), fleet.stats.ends.get('closed 4503 duplicateIdentity')]).toEqual([0, undefined]);
    await eventually(async () => {
      const agents = await harness.api.all('GET /v1/agents', { pageSize: 500 });
      const wrong = agents.filter(({ agentId, mode }) => mode !== operator.assigned.get(agentId));
      if (wrong.length > 0) throw new Error(`${wrong.length} are not, one of them ${JSON.stringify(wrong[0])}`);
      return true;
    }, 'the registry agrees');
    await ask('group', true);
    await expectCommandsSettled(harness, accepted, () => fleet.oracle.all, 60_000);
  }

  it('no answer or command is lost or doubled', () => switchUnderLoad(10_000));

  it('nor when a gateway is killed', async () => {
    await switchUnderLoad(9_000, () => expect(harness.stack.gateways[0]?.signal('SIGKILL')).toBe(true));
  });

  it('nor when Redis loses its data', async () => {
    await switchUnderLoad(9_000, async () => {
      await harness.brokers.redis.kill9();
      await harness.brokers.redis.restart();
    });
  });
});
