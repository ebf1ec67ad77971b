import { LIMITS } from '@muster/protocol/vocabulary';
import { parseDurationMs } from '@muster/runtime/quantity';
import { z } from 'zod';
import { count } from './fields.js';

const { budgetMinMs, budgetMs, budgetMaxMs } = LIMITS;

const PRIORITIES = ['normal', 'low'] as const;

/** What one endpoint may spend on a query. */
export const budgetRequestSchema = z
  .strictObject({
    time: z.string().meta({ description: `How long it may run there: \`2s\` to \`${budgetMaxMs / 60_000}m\`.` }),
    priority: z
      .enum(PRIORITIES)
      .optional()
      .meta({
        description: `\`low\`, the default of more than ${budgetMs / 1_000} s, which it takes: other programs of the endpoint go first, the search pauses while it is busy or on battery, and when the time is over the rows until then are the answer, with a warning.`,
      }),
  })
  .transform(({ time, priority }, context) => {
    const ms = parseDurationMs(time) ?? NaN;
    const asked = { ms, priority: priority ?? (ms > budgetMs ? 'low' : 'normal') } as const;
    const maxMs = asked.priority === 'low' ? budgetMaxMs : budgetMs;
    if (!(ms >= budgetMinMs && ms <= maxMs))
      context.issues.push({ code: 'custom', message: BUDGET_FAULT, input: time, path: ['time'] });
    return asked;
  })
  .meta({ description: 'What one endpoint may spend on it; without it 10 s. How much a role may ask for is policy.' });

const BUDGET_FAULT = `must be ${budgetMinMs / 1_000} s to ${budgetMs / 1_000} s, or with low priority up to ${budgetMaxMs / 60_000} min`;

export const queryBudgetSchema = z.object({ ms: count, priority: z.enum(PRIORITIES) });
