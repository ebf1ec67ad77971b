import type { Random } from '../world/random.js';
import type { Fault, FaultKind, OrderPlan, Question } from './plan.js';

/** What a scenario adds to a plan. */
export interface Scene {
  readonly faults: readonly Fault[];
  /** When the first question, or else the first order, is asked; `undefined`: it stays as it is. */
  readonly askAtMs?: number;
  /** Of the first question. */
  readonly timeoutMs?: number;
  /** The last endpoint answers no question. */
  readonly isLastSilent?: true;
}

export interface Cast {
  readonly gateways: readonly string[];
  readonly queries: readonly string[];
  readonly commands: readonly string[];
  readonly endpoints: readonly string[];
  readonly questions: readonly Question[];
  readonly orders: readonly OrderPlan[];
  /** When it may begin. */
  readonly beginMs: number;
}

/** Faults that belong together, with chance in their times: situations in which such systems have failed. */
type Scenario = (random: Random, cast: Cast) => Scene;

const soon = (random: Random): number => random.pick([0, 5, 1_500, 3_000]) * random.unit();
const long = (random: Random): number => Math.round(random.between(3_000, 25_000));
const services = ({ gateways, queries, commands }: Cast): readonly string[] => [...gateways, ...queries, ...commands];
const STOPS: readonly FaultKind[] = ['kill', 'freeze', 'stall', 'cut'];

/** A process is new, or has missed something, while a broker that would tell it more is away; then somebody asks. */
const startsWithoutBroker: Scenario = (random, cast) => {
  const { beginMs } = cast;
  const broker = random.pick(['redis', 'redis', 'nats']);
  const away: FaultKind = random.pick([
    'kill',
    'freeze',
    'stall',
    ...(broker === 'redis' ? (['empty redis', 'full'] as const) : []),
  ]);
  const forMs = long(random);
  const inner = beginMs + forMs * random.between(0, 0.8);
  const innerMs = Math.round(random.pick([200, 1_000, 3_000]) * random.between(0.5, 1.5));
  if (away === 'empty redis' && random.chance(0.7)) {
    // Just before a query service begins: gateways have not renewed their leases yet.
    const emptiedMs = beginMs + Math.max(0, innerMs - random.between(0, 1_000));
    return {
      faults: [
        { kind: 'kill', target: random.pick(cast.queries), when: { atMs: beginMs }, forMs: innerMs },
        { kind: away, target: broker, when: { atMs: emptiedMs }, forMs },
      ],
      askAtMs: beginMs + innerMs + soon(random),
    };
  }
  return {
    faults: [
      { kind: away, target: broker, when: { atMs: beginMs }, forMs },
      { kind: random.pick(STOPS), target: random.pick(services(cast)), when: { atMs: inner }, forMs: innerMs },
    ],
    askAtMs: inner + innerMs + soon(random),
  };
};

/** A broker was silent, and somebody asks just when it is back, or just before it goes. */
const askedAroundSilence: Scenario = (random, { beginMs }) => {
  const target = random.pick(['nats', 'nats', 'redis']);
  const forMs = long(random);
  const kind = random.pick(['kill', 'freeze', 'stall'] as const);
  const askAtMs = random.chance(0.7) ? beginMs + forMs + soon(random) : beginMs - random.between(0, 300);
  return { faults: [{ kind, target, when: { atMs: beginMs }, forMs }], askAtMs };
};

/** Whoever was just sent a question is gone, or what it says is lost. */
const goneWhenAsked: Scenario = (random, { gateways, queries }) => {
  const nth = 1 + random.int(2);
  const when = { moment: 'question sent', nth, afterMs: random.pick([0.3, 2, 20, 1_000]) * random.unit() };
  const target = random.pick([...gateways, ...gateways, ...queries, ...queries, 'nats']);
  const kind = random.pick(target === 'nats' ? (['kill', 'freeze', 'stall'] as const) : STOPS);
  return {
    faults: [
      { kind, target, when, forMs: random.chance(0.5) ? long(random) : 1_000, way: random.pick(['in', 'out', 'both']) },
    ],
  };
};

/** A process stands still so long that others take over what it does, and goes on. */
const overtaken: Scenario = (random, cast) => {
  const target = random.pick([...cast.queries, ...cast.queries, ...cast.gateways, ...cast.commands]);
  const moment = random.pick([
    'question sent',
    'update heard',
    'result kept',
    'journal kept',
    'delivery sent',
    'reports sent',
  ]);
  const when = { moment, nth: 1 + random.int(4), afterMs: random.pick([0, 5, 1_000]) * random.unit() };
  return { faults: [{ kind: random.pick(['freeze', 'freeze', 'stall'] as const), target, when, forMs: long(random) }] };
};

/** Between two writes, or between a write and what is said of it. */
const betweenWrites: Scenario = (random) => {
  const record = random.pick(['result', 'query', 'journal', 'journal', 'audit']);
  const moment = `${record} ${random.pick(['sent', 'kept'])}`;
  const kind = random.pick(['kill', 'cut', 'freeze', 'stall'] as const);
  const when = { moment, nth: 1 + random.int(8), afterMs: random.pick([0, 0, 1, 10]) * random.unit() };
  const target = random.chance(0.7) ? 'self' : 'nats';
  const isCutOfBroker = target === 'nats' && kind === 'cut';
  return {
    faults: [
      {
        kind: isCutOfBroker ? 'kill' : kind,
        target,
        when,
        forMs: random.chance(0.5) ? long(random) : 500,
        way: random.pick(['in', 'out', 'both']),
      },
    ],
  };
};

/** A gateway stands still for longer than its lease, or its endpoints come back to another while it does. */
const fencedGateway: Scenario = (random, { gateways, beginMs }) => {
  const forMs = Math.round(random.between(10_000, 30_000));
  const askAtMs =
    beginMs +
    random.pick([() => random.between(-50, 50), () => random.between(0, forMs), () => forMs + soon(random)])();
  const target = random.pick(gateways);
  const kind = random.pick(['freeze', 'freeze', 'stall'] as const);
  return {
    faults: [{ kind, target, when: { atMs: beginMs }, forMs, way: random.pick(['in', 'out', 'both']) }],
    askAtMs,
    // Long enough for what comes after it.
    ...(random.chance(0.6) ? { timeoutMs: forMs + 12_000 + random.int(10_000) } : {}),
  };
};

/** No room for a while, and somebody is killed meanwhile. */
const noRoom: Scenario = (random, cast) => {
  const { beginMs } = cast;
  const forMs = long(random);
  const target = random.pick(services(cast));
  const full: Fault = { kind: 'full', target: random.pick(['nats', 'nats', 'redis']), when: { atMs: beginMs }, forMs };
  const kill: Fault = { kind: 'kill', target, when: { atMs: beginMs + forMs * random.unit() }, forMs: 1_000 };
  return { faults: random.chance(0.5) ? [full] : [full, kill], askAtMs: beginMs - random.between(-2_000, 1_000) };
};

/** An endpoint is gone just after it was asked or has said something. */
const goneEndpoint: Scenario = (random, { endpoints }) => {
  const moment = random.pick(['delivery sent', 'reports sent', 'update sent', 'journal kept']);
  const when = { moment, nth: 1 + random.int(4), afterMs: random.pick([0, 5, 1_500]) * random.unit() };
  const kind = random.pick(['kill', 'kill', 'freeze', 'cut'] as const);
  return { faults: [{ kind, target: random.pick(endpoints), when, forMs: random.pick([200, 2_000, 15_000]) }] };
};

/** Nobody hears anybody, or nothing can be kept, for so long that whatever has a time limit is over. */
const longSilence: Scenario = (random) => {
  const moment = random.pick(['reports sent', 'journal kept', 'audit sent', 'question sent', 'delivery sent']);
  const when = { moment, nth: 1 + random.int(4), afterMs: random.pick([0, 5, 500]) * random.unit() };
  const kind = random.pick(['freeze', 'kill', 'no streams'] as const);
  const forMs = Math.round(random.chance(0.5) ? random.between(30_000, 75_000) : random.between(62_000, 80_000));
  return { faults: [{ kind, target: 'nats', when, forMs }] };
};

/** Messages go on, and nothing can be kept or read for a while: streams have no leader. */
const streamsAway: Scenario = (random) => {
  const moment = random.pick([
    'reports sent',
    'journal sent',
    'journal kept',
    'audit kept',
    'result kept',
    'query kept',
  ]);
  const when = { moment, nth: 1 + random.int(5), afterMs: random.pick([0, 0.3, 5, 500]) * random.unit() };
  const forMs = Math.round(random.between(1_000, 20_000));
  const away: Fault = { kind: 'no streams', target: 'nats', when, forMs };
  const inner = { ...when, afterMs: when.afterMs + forMs * random.unit() };
  const kill: Fault = { kind: 'kill', target: 'self', when: inner, forMs: 1_000 };
  return { faults: random.chance(0.7) ? [away] : [away, kill] };
};

/**
 * An endpoint is gone while an order that it accepted waits in its queue. Often nobody is there to see that it comes
 * back: command services are gone or deaf meanwhile, or for less than a second just then, which is too short for a
 * gateway to tell them of all its endpoints again.
 */
const goneWhileOrderWaits: Scenario = (random, { commands }) => {
  const after = (afterMs: number) => ({ moment: 'order waits', nth, afterMs });
  const nth = 1 + random.int(2);
  const atMs = random.pick([0, 20, 300, 300]) * random.unit();
  const kind = random.pick(['kill', 'kill', 'kill', 'cut'] as const);
  const forMs = Math.round(random.pick([200, 1_500, 3_000]) * random.between(0.5, 1.5));
  const gone: Fault = { kind, target: 'self', when: after(atMs), forMs };
  if (random.chance(0.3)) return { faults: [gone] };
  const how = random.pick(['kill', 'stall', 'cut', 'cut'] as const);
  const unseen = commands.map((target): Fault => {
    if (how === 'cut')
      return { kind: how, target, when: after(atMs + forMs + random.between(-300, 300)), forMs: 1_000 };
    return { kind: how, target, when: after(atMs), forMs: forMs + random.int(4_000), way: 'in' };
  });
  return { faults: [gone, ...unseen] };
};

/**
 * A gateway stands still after it was asked, for longer than its lease: what it knew of the question is gone with its sessions. Endpoints
 * that had not answered come back to it later. Often another gateway goes on, and an endpoint that says nothing keeps the question open.
 */
const fencedAsAsked: Scenario = (random, { gateways, endpoints }) => {
  const after = (afterMs: number) => ({ moment: 'question sent', nth: 1, afterMs });
  const forMs = Math.round(random.between(15_500, 26_000));
  const goesOn = random.chance(0.7) && gateways.length > 1 ? random.pick(gateways) : undefined;
  const frozen = gateways
    .filter((target) => target !== goesOn)
    .map((target): Fault => ({ kind: 'freeze', target, when: after(random.between(0, 600)), forMs }));
  const isSilent = (target: string): boolean => goesOn !== undefined && target === endpoints.at(-1);
  const gone = endpoints.flatMap((target): Fault[] =>
    !isSilent(target) && random.chance(0.5)
      ? [{ kind: 'kill', target, when: after(random.between(2, 300)), forMs: forMs + random.int(3_000) }]
      : [],
  );
  return {
    faults: [...frozen, ...gone],
    timeoutMs: forMs + 16_000 + random.int(6_000),
    ...(goesOn === undefined ? {} : { isLastSilent: true }),
  };
};

/** Whoever would take a question is gone when it is asked, and back soon. */
const nobodyTakesIt: Scenario = (random, { queries, commands, beginMs }) => {
  const forMs = Math.round(random.between(500, 4_000));
  const kind = random.pick(['kill', 'kill', 'cut', 'stall'] as const);
  const faults = [...queries, ...commands].map((target): Fault => ({
    kind,
    target,
    when: { atMs: beginMs + random.between(0, 50) },
    forMs,
  }));
  return { faults, askAtMs: beginMs + random.between(-20, forMs) };
};

export const SCENARIOS: readonly Scenario[] = [
  startsWithoutBroker,
  askedAroundSilence,
  goneWhenAsked,
  goneWhenAsked,
  overtaken,
  betweenWrites,
  betweenWrites,
  fencedGateway,
  noRoom,
  goneEndpoint,
  longSilence,
  streamsAway,
  goneWhileOrderWaits,
  fencedAsAsked,
  nobodyTakesIt,
];
