import { DirectoryWriter } from '@muster/directory';
import { STREAMS } from '@muster/records';
import { sleep } from '@muster/runtime';
import { connectSimulated } from '../brokers/connect-simulated.js';
import { NatsServer } from '../brokers/nats-server.js';
import { RedisServer } from '../brokers/redis-server.js';
import { ApiNode } from '../nodes/api-node.js';
import { Caller } from '../nodes/caller.js';
import { CommandNode } from '../nodes/command-node.js';
import { Endpoint } from '../nodes/endpoint.js';
import { GatewayNode } from '../nodes/gateway-node.js';
import { makeIdentities, ORG, type Identity } from '../nodes/identities.js';
import type { Brokers } from '../nodes/parts.js';
import { PostureNode } from '../nodes/posture-node.js';
import { keepSchedules } from '../nodes/scheduled-scans.js';
import { QueryNode } from '../nodes/query-node.js';
import { violations, type Violation } from '../properties/violations.js';
import { replaceGlobals } from '../world/replace-globals.js';
import { STANDSTILL, StandstillError } from '../world/program-errors.js';
import { EPOCH_MS, World, type TimelineEntry } from '../world/world.js';
import { SETTLED_MS } from '../plans/make-plan.js';
import type { Plan } from '../plans/plan.js';
import { Faults } from './strike.js';

export interface History {
  readonly violations: readonly Violation[];
  readonly timeline: readonly TimelineEntry[];
  readonly events: number;
  readonly virtualMs: number;
}

interface Told {
  /** The timeline has who said what to whom, from the first moment at which something may be asked. */
  readonly tellsMessages?: boolean;
}

const POLLS = { mode: 'poll', reason: 'test', by: 'op' } as const;
/** Once faults have stopped, everything ends within this. */
const QUIET_MS = 60_000;
/** For so long it is watched after everything has ended: what comes late may spoil it. */
const CALM_MS = 6_000;

let identities: Promise<readonly Identity[]> | undefined;
const MOST_ENDPOINTS = 16;
/** What watches over a process starts it again so soon after a crash. */
const RESTART_MS = 1_000;

/** Runs one history to its end and judges it. Histories run one after the other: the globals of this process are the world's meanwhile. */
export async function runHistory(plan: Plan, { tellsMessages = false }: Told = {}): Promise<History> {
  const known = await (identities ??= makeIdentities(MOST_ENDPOINTS));
  const world = new World(plan.seed);
  const restore = replaceGlobals(world);
  // Node calls it within the event in which nobody has handled it.
  const rejected = (error: unknown): void => world.crash(error);
  process.on('unhandledRejection', rejected);
  try {
    return told(world, await live(world, plan, { known, tellsMessages }));
  } catch (error) {
    if (!(error instanceof StandstillError)) throw error;
    return told(world, [{ property: STANDSTILL, what: `${error.who}: ${error.message}` }]);
  } finally {
    process.off('unhandledRejection', rejected);
    restore();
  }
}

function told({ timeline, events, nowMs }: World, found: readonly Violation[]): History {
  return { violations: found, timeline, events, virtualMs: nowMs - EPOCH_MS };
}

/** Returns what did not hold. */
async function live(
  world: World,
  plan: Plan,
  { known, tellsMessages }: Required<Told> & { readonly known: readonly Identity[] },
): Promise<readonly Violation[]> {
  const brokers: Brokers = { nats: new NatsServer(world), redis: new RedisServer(world) };
  for (const definition of Object.values(STREAMS)) brokers.nats.store.ensure(definition);
  await enrol(world, brokers, { identities: known.slice(0, plan.endpoints.length), plan });
  const gateways = named(plan.gateways, (index) => new GatewayNode(world, `gateway-${index}`, brokers));
  const queries = named(plan.queries, (index) => new QueryNode(world, `query-${index}`, brokers));
  const commands = named(plan.commands, (index) => new CommandNode(world, `command-${index}`, brokers));
  const endpoints = plan.endpoints.map((manner, index) => {
    const identity = known[index];
    if (identity === undefined) throw new RangeError('more endpoints than identities');
    const intervalMs = plan.polls[identity.facts.host];
    const first = intervalMs === undefined ? undefined : ({ mode: 'poll', intervalMs } as const);
    return new Endpoint(world, { identity, manner, gateways, first });
  });
  const apis = named(plan.apis, (index) => new ApiNode(world, `api-${index}`, brokers));
  const postures = named(plan.postures, (index) => new PostureNode(world, `posture-${index}`, brokers));
  const nodes = [...gateways, ...queries, ...commands, ...apis, ...postures, ...endpoints];
  for (const { process } of nodes) process.pace = plan.paces[process.name] ?? 1;
  for (const node of nodes) node.start();
  const caller = new Caller(world, { apis, endpoints });
  const services = new Map(nodes.map((node) => [node.process.name, node]));
  const supervisor = world.process('supervisor');
  world.onCrash = (crashed) => {
    const node = services.get(crashed.name);
    if (node === undefined) return;
    world.schedule(supervisor, RESTART_MS, () => {
      if (crashed.state !== 'down') return;
      crashed.revive();
      node.start();
    });
  };
  const faults = new Faults(world, { brokers, services });
  for (const fault of plan.faults) faults.plan(fault);
  const later = (atMs: number, run: () => Promise<void>): void =>
    void world.schedule(caller.process, EPOCH_MS + atMs - world.nowMs, () => void run());
  later(SETTLED_MS, async () => {
    world.moments.begin();
    world.tellsMessages = tellsMessages;
  });
  for (const question of plan.questions) later(question.atMs, () => caller.ask(question));
  for (const order of plan.orders) later(order.atMs, () => caller.order(order));
  for (const move of plan.moves) later(move.atMs, () => caller.move(move));
  const judge = async (): Promise<Violation[]> => {
    const found = await brokers.redis.registry.lookup(endpoints.map(({ identity }) => identity.agentId));
    const presence = found.kind === 'found' ? found.agents : undefined;
    const { errors, nowMs } = world;
    return violations(caller, { gateways, endpoints, nats: brokers.nats, faults: faults.log, nowMs, presence, errors });
  };
  const askedMs = Math.max(
    SETTLED_MS,
    ...[...plan.questions, ...plan.orders, ...plan.moves, ...plan.schedules].map(({ atMs }) => atMs),
  );
  const endedMs = Math.max(
    ...[...plan.questions, ...plan.schedules].map(({ atMs, timeoutMs }) => atMs + timeoutMs),
    ...plan.orders.map(({ atMs, expiresInMs }) => atMs + expiresInMs),
    askedMs,
  );
  // Until everything has ended and the faults are over for a while; at the latest until it must have.
  await world.run(EPOCH_MS + askedMs);
  for (;;) {
    const sinceMs = Math.max(askedMs, faults.overMs);
    const isLate = world.nowMs >= EPOCH_MS + Math.max(endedMs, faults.overMs) + QUIET_MS;
    if (isLate || (world.nowMs >= EPOCH_MS + sinceMs + CALM_MS && caller.isDone && (await judge()).length === 0)) break;
    await world.run(world.nowMs + 1_000);
  }
  return judge();
}

/** Writes the identities of all endpoints, as enrolment does, which of them were told to poll, and the schedules that there are. */
async function enrol(
  world: World,
  { nats }: Brokers,
  { identities, plan }: { readonly identities: readonly Identity[]; readonly plan: Plan },
): Promise<void> {
  const setup = world.process('setup');
  const { streams, connection } = connectSimulated(world, setup, nats);
  const directory = new DirectoryWriter({ streams });
  let isDone = false;
  const write = async (): Promise<void> => {
    for (const { agentId, facts, keys, num } of identities) {
      const record = { agentId, org: ORG, publicKey: keys.publicKeyX, from: '192.0.2.1', facts, labels: {} };
      for (;;) {
        const result = await directory.enroll({ ...record, enrolledAtMs: EPOCH_MS, secret: 'default' });
        if (result.kind !== 'unavailable' && result.num !== num)
          throw new Error(`${facts.host} is number ${result.num}`);
        if (result.kind !== 'unavailable') break;
        await sleep(connection.clock, 100);
      }
    }
    // After all enrolments: the number of an endpoint is that of its record.
    for (const { agentId, facts } of identities) {
      const intervalMs = plan.polls[facts.host];
      if (intervalMs !== undefined)
        await directory.overrideMode(ORG, agentId, { ...POLLS, intervalMs, atMs: EPOCH_MS });
    }
    await keepSchedules(streams, plan.schedules);
    isDone = true;
  };
  world.schedule(setup, 0, () => void write());
  await world.run(EPOCH_MS + 5_000, () => isDone);
  if (!isDone) throw new Error('the endpoints could not be enrolled');
  setup.kill();
}

function named<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index + 1));
}
