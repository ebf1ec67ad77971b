import type { Random } from '../world/random.js';
import type { Move, Plan } from './plan.js';

/** Between two polls: short, so that what is promised within seconds can be promised of those that poll too. */
const INTERVALS_MS = [1_000, 1_500, 2_500];

/**
 * Who polls from the beginning, and who is told when to change the channel, in some histories: often just when something was asked, so that
 * the change happens in mid-question or between an order and its report.
 */
export function channels(
  random: Random,
  { endpoints, questions, orders }: Pick<Plan, 'endpoints' | 'questions' | 'orders'>,
  settledMs: number,
): Pick<Plan, 'polls' | 'moves'> {
  if (random.chance(0.4)) return { polls: {}, moves: [] };
  const names = endpoints.map((_, index) => `e${index + 1}`);
  const share = random.pick([0, 0.3, 0.3, 1]);
  const polls: Record<string, number> = {};
  for (const name of names) if (random.chance(share)) polls[name] = random.pick(INTERVALS_MS);
  const asked = [...questions, ...orders].map(({ atMs }) => atMs);
  const near = [() => random.between(-20, 60), () => random.between(0, 1_800), () => random.between(-3_000, 8_000)];
  const moves = Array.from({ length: random.int(4) }, (): Move => {
    const chosen = names.filter(() => random.chance(0.5));
    const mode = random.pick(['poll', 'poll', 'live', 'live', 'default'] as const);
    return {
      ...{ atMs: Math.max(settledMs, random.pick(asked) + random.pick(near)()), mode },
      targets: chosen.length > 0 ? chosen : names,
      ...(mode === 'default' ? {} : { intervalMs: random.pick(INTERVALS_MS) }),
      ...(mode !== 'default' && random.chance(0.25) ? { forMs: 1_000 + random.int(6_000) } : {}),
    };
  });
  return { polls, moves };
}
