import type { Violation } from '../properties/violations.js';
import type { Plan } from '../plans/plan.js';
import type { History } from './run-history.js';

export interface Shrunk {
  readonly plan: Plan;
  readonly history: History;
}

/** How many histories may be run to find a smaller one. */
const ATTEMPTS = 200;

/**
 * The smallest plan found that still breaks the same promise: without one fault, question, endpoint or node after the other, as long as
 * anything can be left out.
 */
export async function shrink(found: Shrunk, run: (plan: Plan) => Promise<History>): Promise<Shrunk> {
  const broken = new Set(found.history.violations.map(({ property }) => property));
  const isSame = ({ violations }: History): boolean =>
    violations.some(({ property }: Violation) => broken.has(property));
  let best = found;
  let left = ATTEMPTS;
  for (let again = true; again;) {
    again = false;
    for (const plan of smaller(best.plan)) {
      if ((left -= 1) < 0) return best;
      const history = await run(plan);
      if (!isSame(history)) continue;
      best = { plan, history };
      again = true;
      break;
    }
  }
  return best;
}

function* smaller(plan: Plan): Generator<Plan> {
  for (const faults of without(plan.faults)) yield { ...plan, faults };
  for (const orders of without(plan.orders)) yield { ...plan, orders };
  if (plan.questions.length + plan.orders.length > 1)
    for (const questions of without(plan.questions)) yield { ...plan, questions };
  if (plan.endpoints.length > 1) for (const endpoints of without(plan.endpoints)) yield { ...plan, endpoints };
  const names = new Set(plan.faults.map(({ target }) => target));
  if (plan.gateways > 1 && !names.has(`gateway-${plan.gateways}`)) yield { ...plan, gateways: plan.gateways - 1 };
  if (plan.commands > 1 && !names.has(`command-${plan.commands}`)) yield { ...plan, commands: plan.commands - 1 };
  for (const moves of without(plan.moves)) yield { ...plan, moves };
  for (const schedules of without(plan.schedules)) yield { ...plan, schedules };
  if (plan.postures > 1 && !names.has(`posture-${plan.postures}`)) yield { ...plan, postures: plan.postures - 1 };
  if (Object.keys(plan.polls).length > 0) yield { ...plan, polls: {} };
  if (Object.keys(plan.paces).length > 0) yield { ...plan, paces: {} };
  if (plan.apis > 1 && !names.has(`api-${plan.apis}`)) yield { ...plan, apis: plan.apis - 1 };
  if (plan.queries > 1 && !names.has(`query-${plan.queries}`)) yield { ...plan, queries: plan.queries - 1 };
}

function without<T>(items: readonly T[]): T[][] {
  return items.map((_, index) => items.toSpliced(index, 1));
}
