import type { ResultForm } from '@muster/records';
import { Random } from '../world/random.js';
import type { Fault, FaultKind, Manner, OrderPlan, Plan, Question, When } from './plan.js';
import { channels } from './channels.js';
import { scans } from './scans.js';
import { SCENARIOS } from './scenarios.js';

/** From when on questions are asked and faults happen: by then everybody is connected. */
export const SETTLED_MS = 6_000;
const BUSY_MS = 14_000;
const MOST_FAULTS = 5;

/** How often each of these happens in a history at most, about: a fault waits for one of the first. */
const MOMENTS: Readonly<Record<string, number>> = {
  'question sent': 3,
  'update sent': 12,
  'update heard': 12,
  'delivery sent': 8,
  'reports sent': 12,
  'result sent': 8,
  'result kept': 8,
  'query sent': 4,
  'query kept': 4,
  'journal sent': 12,
  'journal kept': 12,
  'audit sent': 12,
  'audit kept': 12,
  'register sent': 6,
  'register done': 6,
  'lease sent': 8,
  'lease done': 8,
  'lookup sent': 4,
  'order waits': 4,
};
const QUESTION_MOMENTS = ['question sent', 'update sent', 'update heard', 'result sent', 'result kept', 'query kept'];
const COMMAND_MOMENTS = [
  'order waits',
  'delivery sent',
  'reports sent',
  'journal sent',
  'journal kept',
  'audit sent',
  'audit kept',
];
const LENGTHS_MS = [100, 1_000, 4_000, 10_000, 20_000];
/** What a history may draw from, and how often each is drawn. */
const KINDS: readonly FaultKind[] = [
  'kill',
  'kill',
  'freeze',
  'freeze',
  'cut',
  'stall',
  'jump',
  'empty redis',
  'full',
  'no streams',
];

type Style = 'near a question' | 'at a moment' | 'after the last fault' | 'with the last fault';
const STYLES: readonly Style[] = [
  'near a question',
  'at a moment',
  'at a moment',
  'after the last fault',
  'with the last fault',
];

/**
 * A swarm, after Groce and others (ISSTA 2012): each history takes only some kinds of faults, targets, lengths and ways to place them. What
 * is rare when everything may happen is then frequent in some histories.
 */
interface Swarm {
  readonly kinds: readonly FaultKind[];
  readonly targets: readonly string[];
  readonly lengthsMs: readonly number[];
  readonly styles: readonly Style[];
  readonly moments: readonly string[];
}

/** What is added to a plan at last: each by chance of its own, so that the others stay as they are. */
type Added = 'apis' | 'paces' | 'polls' | 'moves' | 'postures' | 'schedules';

export function makePlan(seed: number): Plan {
  const plan = planned(seed);
  const orders = withApprovals(new Random(seed, 4), plan.orders);
  const others = aside(new Random(seed, 3), plan);
  const { faults, ...scanned } = scans(new Random(seed, 6), SETTLED_MS);
  const told = channels(new Random(seed, 5), plan, SETTLED_MS);
  return { ...plan, orders, ...others, ...told, ...scanned, faults: [...others.faults, ...faults] };
}

/** Some orders need a second person. */
function withApprovals(random: Random, orders: readonly OrderPlan[]): readonly OrderPlan[] {
  return orders.map((order) => {
    if (!random.chance(0.15)) return order;
    const afterMs = random.pick([0, 500, 5_000, 15_000]) * random.unit();
    return { ...order, approval: { afterMs: random.chance(0.85) ? afterMs : undefined } };
  });
}

/** What happens to API processes and to clocks, in some histories. */
function aside(random: Random, plan: Omit<Plan, Added>): Pick<Plan, 'apis' | 'paces' | 'faults'> {
  const apis = 1 + random.int(2);
  const paces: Record<string, number> = {};
  const names = [
    ...named('gateway', plan.gateways),
    ...named('query', plan.queries),
    ...named('command', plan.commands),
  ];
  const all = [
    ...names,
    ...named('api', apis),
    ...named('e', plan.endpoints.length).map((name) => name.replace('-', '')),
  ];
  if (random.chance(0.25))
    for (const name of all) paces[name] = 1 + random.pick([0, 0.0002, 0.01]) * random.between(-1, 1);
  const faults = [...plan.faults];
  const asked = [...plan.questions, ...plan.orders].map(({ atMs }) => atMs);
  const near = [() => random.between(0, 30), () => random.between(0, 1_500), () => random.between(-1_000, 8_000)];
  for (let left = random.chance(0.35) ? 1 + random.int(3) : 0; left > 0; left -= 1) {
    const kind = random.pick(['kill', 'kill', 'cut', 'freeze', 'stall'] as const);
    const forMs = Math.round(random.pick([200, 2_000, 12_000, 25_000]) * random.between(0.5, 1.5));
    const atMs = Math.max(SETTLED_MS, random.pick(asked) + random.pick(near)());
    const moment = random.pick(['idempotency sent', 'idempotency kept']);
    const when = random.chance(0.3) ? { moment, nth: 1 + random.int(4), afterMs: random.pick([0, 1, 20]) } : { atMs };
    const target = 'moment' in when ? 'self' : `api-${1 + random.int(apis)}`;
    faults.push({ kind, target, when, forMs, way: random.pick(['in', 'out', 'both'] as const) });
  }
  return { apis, paces, faults };
}

const named = (kind: string, count: number): string[] => many(count, (i) => `${kind}-${i + 1}`);

function planned(seed: number): Omit<Plan, Added> {
  const random = new Random(seed, 2);
  const gateways = 1 + random.int(3);
  const queries = 1 + random.int(2);
  const commands = 1 + random.int(2);
  const endpoints = Array.from({ length: 2 + random.int(5) }, () =>
    random.pick<Manner>(['rows', 'rows', 'rows', 'empty', 'error', 'silent']),
  );
  const about = random.pick(['both', 'both', 'questions', 'questions', 'orders'] as const);
  const questions = many(about === 'orders' ? 0 : 1 + random.int(3), () => question(random));
  const orders = many(about === 'questions' ? 0 : 1 + random.int(2), () => order(random));
  const targets = [
    ...['nats', 'redis', 'self'],
    ...many(gateways, (i) => `gateway-${i + 1}`),
    ...many(queries, (i) => `query-${i + 1}`),
    ...many(commands, (i) => `command-${i + 1}`),
    ...many(Math.min(2, endpoints.length), (i) => `e${i + 1}`),
  ];
  const base = { seed, gateways, queries, commands, endpoints };
  if (random.chance(0.65)) return { ...base, ...staged(random, base, { questions, orders }) };
  const swarm: Swarm = {
    kinds: some(random, KINDS),
    targets: some(random, targets),
    lengthsMs: some(random, LENGTHS_MS),
    styles: some(random, STYLES),
    moments: momentsAbout(random, about),
  };
  const faults: Fault[] = [];
  const asked = [...questions, ...orders].map(({ atMs }) => atMs);
  for (let left = random.int(MOST_FAULTS + 1); left > 0; left -= 1)
    faults.push(fault(random, swarm, { asked, targets, last: faults.at(-1) }));
  return { ...base, questions: soonAfter(random, questions, faults), orders, faults };
}

/** One or two scenarios one after the other; what is asked first is asked when the first says so. */
function staged(
  random: Random,
  { gateways, queries, commands, endpoints }: Pick<Plan, 'gateways' | 'queries' | 'commands' | 'endpoints'>,
  { questions, orders }: Pick<Plan, 'questions' | 'orders'>,
): Pick<Plan, 'endpoints' | 'questions' | 'orders' | 'faults'> {
  const names = (kind: string, count: number): string[] => many(count, (i) => `${kind}-${i + 1}`);
  const cast = {
    gateways: names('gateway', gateways),
    queries: names('query', queries),
    commands: names('command', commands),
    endpoints: many(endpoints.length, (i) => `e${i + 1}`),
  };
  const scenes = many(random.chance(0.3) ? 2 : 1, (i) =>
    random.pick(SCENARIOS)(random, { ...cast, questions, orders, beginMs: SETTLED_MS + 500 + i * random.int(8_000) }),
  );
  const { askAtMs, timeoutMs } = scenes[0] ?? {};
  const moved = <T extends { readonly atMs: number }>(items: readonly T[]): T[] =>
    items.map((item, i) =>
      i === 0 && askAtMs !== undefined ? { ...item, atMs: Math.max(SETTLED_MS, askAtMs) } : item,
    );
  const asked = moved(questions).map((each, i) => (i === 0 && timeoutMs !== undefined ? { ...each, timeoutMs } : each));
  const isLastSilent = scenes.some((scene) => scene.isLastSilent);
  return {
    endpoints: isLastSilent ? endpoints.with(-1, 'silent') : endpoints,
    ...{ questions: asked, orders: moved(orders), faults: scenes.flatMap(({ faults }) => faults) },
  };
}

function question(random: Random): Question {
  const asked: Question = {
    atMs: SETTLED_MS + random.int(BUSY_MS),
    form: random.pick<ResultForm>(['raw', 'group']),
    timeoutMs: random.pick([2_000, 5_000, 8_000, 20_000]) + random.int(2_000),
  };
  if (random.chance(0.15)) return { ...asked, timeoutMs: 8_000 + random.int(25_000), isHunt: true };
  return random.chance(0.1) ? { ...asked, cancelAfterMs: random.int(2_500) } : asked;
}

function order(random: Random): OrderPlan {
  const isRollout = random.chance(0.25);
  const order = {
    ...{ atMs: SETTLED_MS + random.int(BUSY_MS), expiresInMs: 10_000 + random.int(20_000) },
    ...(isRollout ? { isRollout } : {}),
  };
  return random.chance(0.25) ? { ...order, cancelAfterMs: random.int(3_000) } : order;
}

/** Some questions are asked when a fault is just over: what a process knows then is not yet what it should. */
function soonAfter(random: Random, questions: readonly Question[], faults: readonly Fault[]): Question[] {
  const ends = faults.flatMap(({ when, forMs }) => ('atMs' in when ? [when.atMs + forMs] : []));
  return questions.map((each) =>
    ends.length > 0 && random.chance(0.4)
      ? { ...each, atMs: random.pick(ends) + random.pick([0, 500, 1_500, 3_000]) * random.unit() }
      : each,
  );
}

interface Placed {
  readonly asked: readonly number[];
  readonly targets: readonly string[];
  readonly last: Fault | undefined;
}

function fault(random: Random, swarm: Swarm, placed: Placed): Fault {
  const kind = random.pick(swarm.kinds);
  const forMs = Math.round(random.pick(swarm.lengthsMs) * random.between(0.5, 1.5));
  const when = place(random, swarm, placed);
  const target = targetOf(random, kind, { from: swarm.targets, all: placed.targets, isSelf: 'moment' in when });
  const base = { kind, target, when, forMs };
  if (kind === 'stall') return { ...base, way: random.pick(['in', 'out', 'both'] as const) };
  if (kind === 'jump')
    return { ...base, byMs: Math.round(random.pick([-60_000, -5_000, 5_000, 60_000]) * random.unit()) };
  return base;
}

function targetOf(
  random: Random,
  kind: FaultKind,
  {
    from,
    all,
    isSelf,
  }: { readonly from: readonly string[]; readonly all: readonly string[]; readonly isSelf: boolean },
): string {
  if (kind === 'empty redis') return 'redis';
  if (kind === 'no streams') return 'nats';
  if (kind === 'full') return random.pick(['nats', 'redis']);
  const isFit = (name: string): boolean =>
    (isSelf || name !== 'self') &&
    (kind !== 'cut' || (name !== 'nats' && name !== 'redis')) &&
    // Promises are judged by the times at which NATS stored what it has.
    (kind !== 'jump' || name !== 'nats');
  const fit = from.filter(isFit);
  return random.pick(fit.length > 0 ? fit : all.filter(isFit));
}

function place(random: Random, { styles, moments, lengthsMs }: Swarm, { asked, last }: Placed): When {
  const style = random.pick(styles);
  if (style === 'at a moment') {
    const moment = random.pick(moments);
    const nth = 1 + random.int(MOMENTS[moment] ?? 1);
    return { moment, nth, afterMs: random.pick([0, 0, 1, 20, 400, 3_000]) * random.unit() };
  }
  if (last !== undefined && style !== 'near a question') {
    const beforeMs =
      style === 'with the last fault' ? random.between(-500, 500) : last.forMs + random.between(0, 2_000);
    if ('moment' in last.when) return { ...last.when, afterMs: Math.max(0, last.when.afterMs + beforeMs) };
    return { atMs: Math.max(SETTLED_MS, last.when.atMs + beforeMs) };
  }
  const nearMs = random.pick([
    () => random.between(0, 30),
    () => random.between(-3_000, 3_000),
    () => -random.pick(lengthsMs) * random.unit(),
  ]);
  return { atMs: Math.max(SETTLED_MS, random.pick(asked) + nearMs()) };
}

function momentsAbout(random: Random, about: 'both' | 'questions' | 'orders'): readonly string[] {
  const all = Object.keys(MOMENTS);
  const without: Readonly<Record<typeof about, readonly string[]>> = {
    ...{ both: [], questions: COMMAND_MOMENTS, orders: QUESTION_MOMENTS },
  };
  const others = without[about];
  return some(
    random,
    all.filter((moment) => !others.includes(moment)),
  );
}

/** A part of them, at least one. */
function some<T>(random: Random, items: readonly T[]): readonly T[] {
  const share = random.between(0.15, 0.8);
  const taken = items.filter(() => random.chance(share));
  return taken.length > 0 ? taken : [random.pick(items)];
}

function many<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
