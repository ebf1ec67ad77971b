import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startRedis, type BrokerHandle } from '@muster/local/brokers';
import { openRedisRegistry, type Registry } from '@muster/registry';
import { silentLogger } from '@muster/runtime';
import { eventually } from '@muster/runtime/testing';
import fc from 'fast-check';
import { World } from '../world/world.js';
import { RedisServer } from './redis-server.js';
import { SimulatedRegistry } from './simulated-registry.js';

/** What gateways do with their leases. `end`: it lapses. */
interface LeaseAct {
  readonly t: 'renew' | 'drop' | 'end';
  readonly gateway: number;
}

/** What is done with sessions. Agents, gateways, machines, epochs and times are few, so that they meet. */
interface SessionAct {
  readonly t: 'register' | 'unregister' | 'resync' | 'lookup' | 'scan';
  readonly gateway: number;
  readonly agent: number;
  readonly machine: number;
  readonly epoch: number;
  readonly connectedAtMs: number;
  readonly replaces: number | undefined;
}

const below = (max: number): fc.Arbitrary<number> => fc.integer({ min: 0, max: max - 1 });
const LEASE_ACT: fc.Arbitrary<LeaseAct> = fc.record({
  t: fc.constantFrom('renew', 'renew', 'drop', 'end'),
  gateway: below(3),
});
const SESSION_ACT: fc.Arbitrary<SessionAct> = fc.record({
  t: fc.constantFrom('register', 'register', 'register', 'unregister', 'resync', 'lookup', 'scan'),
  gateway: below(3),
  agent: below(2),
  machine: fc.constantFrom(0, 0, 0, 1),
  epoch: fc.integer({ min: 1, max: 8 }),
  connectedAtMs: below(3),
  replaces: fc.option(fc.integer({ min: 1, max: 8 }), { nil: undefined }),
});
/** Leases change between sessions only: what a client knows of leases may be a second old. So each part has a client of its own. */
const PARTS = fc.array(
  fc.record({
    leases: fc.array(LEASE_ACT, { maxLength: 4 }),
    sessions: fc.array(SESSION_ACT, { minLength: 1, maxLength: 14 }),
  }),
  { minLength: 1, maxLength: 3 },
);

const HOUR_MS = 3_600_000;
const FLAPS = { flapLimit: { supersedes: 2, withinMs: HOUR_MS } };
const ORG = 'acme';

/** Names of one sequence: the stores are not emptied between two. */
class Names {
  readonly #prefix: string;
  constructor(prefix: string) {
    this.#prefix = prefix;
  }
  gateway = (n: number): string => `${this.#prefix}-g${n}`;
  agent = (n: number): string => `${this.#prefix}-a${n}`;
  isOwn = (name: string): boolean => name.startsWith(`${this.#prefix}-`);
}

async function lease(registry: Registry, { t, gateway }: LeaseAct, names: Names): Promise<unknown> {
  const gatewayId = names.gateway(gateway);
  const info = { sessions: gateway, draining: false, startedAtMs: 1 };
  if (t === 'drop') return (await registry.lease.drop(gatewayId)).kind;
  if (t === 'renew') return (await registry.lease.renew({ gatewayId, ttlMs: HOUR_MS, info })).kind;
  const renewed = await registry.lease.renew({ gatewayId, ttlMs: 1, info });
  if (renewed.kind !== 'dropped')
    await eventually(async () => !(await leases(registry, names)).held.includes(gatewayId), 'the lease has ended');
  return renewed.kind;
}

/** Who holds a lease, and whose has ended without a word. */
async function leases(registry: Registry, names: Names): Promise<{ held: string[]; lapsed: string[] }> {
  const [held, lapsed] = [await registry.gateways(), await registry.lease.lapsed(HOUR_MS)];
  if (held.kind === 'unavailable' || lapsed.kind === 'unavailable') throw new Error('no answer');
  const own = (all: readonly { readonly gatewayId: string }[]): string[] =>
    all
      .map(({ gatewayId }) => gatewayId)
      .filter(names.isOwn)
      .toSorted();
  return { held: own(held.gateways), lapsed: own(lapsed.gateways) };
}

/** What a caller sees of it. When somebody was last seen is not compared: the clocks differ. */
async function act(registry: Registry, given: SessionAct, names: Names): Promise<unknown> {
  const { t, gateway, machine, epoch, connectedAtMs, replaces } = given;
  const gatewayId = names.gateway(gateway);
  const agentId = names.agent(given.agent);
  const instance = String(machine).repeat(32);
  const session = { org: ORG, agentId, num: given.agent + 1, instance, mode: 'live', connectedAtMs } as const;
  switch (t) {
    case 'register': {
      const more = replaces === undefined ? {} : { replaces };
      return registry.register(gatewayId, [{ ...session, epochHint: epoch, ...more }]);
    }
    case 'unregister':
      return registry.unregister([{ agentId, epoch }]);
    case 'resync':
      return registry.resync(gatewayId, [{ ...session, epoch }]);
    case 'lookup': {
      const found = await registry.lookup([names.agent(0), names.agent(1)]);
      if (found.kind === 'unavailable') return found;
      return [...found.agents].map(([id, { session: held, lapsed }]) => ({ id, held, lapsed }));
    }
    case 'scan': {
      const held = [];
      for await (const page of registry.scan(ORG)) {
        if (page.kind === 'unavailable') return page;
        held.push(...page.entries.filter((entry) => names.isOwn(entry.agentId)));
      }
      return held.toSorted((a, b) => a.agentId.localeCompare(b.agentId));
    }
  }
}

describe('sequences of calls of the registry that are generated', () => {
  let dataDir: string;
  let redis: BrokerHandle;
  const world = new World(1);
  const simulated = new RedisServer(world);
  let count = 0;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'muster-generated-'));
    redis = await startRedis({ dataDir, logger: silentLogger });
  });
  afterAll(async () => {
    await redis.stop();
    await rm(dataDir, { recursive: true });
  });

  /** Virtual time passes while the simulated Redis is asked, and only then. */
  async function virtually<T>(call: Promise<T>): Promise<T> {
    let isDone = false;
    const done = call.finally(() => (isDone = true));
    while (!isDone) await world.run(world.nowMs + 1);
    return done;
  }

  it('have the same results at the simulated Redis as at the real one', async () => {
    const kinds = new Set<string>();
    await fc.assert(
      fc.asyncProperty(PARTS, async (parts) => {
        const names = new Names(`s${(count += 1)}`);
        for (const part of parts) {
          const real = await openRedisRegistry({
            ...FLAPS,
            url: redis.url,
            logger: silentLogger,
            startTimeoutMs: 20_000,
          });
          const model = new SimulatedRegistry(world, world.process('client'), simulated, FLAPS);
          const same = async (what: unknown, run: (registry: Registry) => Promise<unknown>): Promise<void> => {
            const [wanted, got] = [await run(real), await virtually(run(model))];
            expect({ what, result: got }).toEqual({ what, result: wanted });
            kinds.add(JSON.stringify(wanted).replaceAll(/[^a-z"]|"s\d+[^"]*"/g, ''));
          };
          try {
            for (const each of part.leases) await same(each, (registry) => lease(registry, each, names));
            await same('leases', (registry) => leases(registry, names));
            for (const each of part.sessions) await same(each, (registry) => act(registry, each, names));
          } finally {
            await real.stop();
          }
        }
      }),
      { numRuns: 25, seed: 20, endOnFailure: false },
    );
    // They met: there were duplicates of both kinds, holders before, and sessions that were lost.
    for (const kind of ['"instance"', '"flapping"', '"previous"', '"lost"', '"lapsed"'])
      expect([...kinds].some((each) => each.includes(kind))).toBe(true);
  });
});
