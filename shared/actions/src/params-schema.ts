import { z } from 'zod';
import type { ActionDefinition } from './catalogue/action.js';

/** The parameters of an action as JSON Schema (draft 2020-12). It cannot express {@link paramRules}. */
export function paramsSchema({ params }: Pick<ActionDefinition, 'params'>): Record<string, unknown> {
  return z.toJSONSchema(params, { target: 'draft-2020-12', io: 'input', unrepresentable: 'any' });
}

/** What a parameter must be beyond its JSON Schema, as sentences for people: by parameter, only where there is something. */
export function paramRules({ params }: Pick<ActionDefinition, 'params'>): Record<string, string[]> {
  const rules = Object.entries<z.core.$ZodType>(params.shape).map(([name, schema]): [string, string[]] => [
    name,
    [...rulesOf(schema)],
  ]);
  return Object.fromEntries(rules.filter(([, each]) => each.length > 0));
}

/** The messages of the checks that are functions: each says what is expected. */
function* rulesOf(schema: z.core.$ZodType): Generator<string> {
  const def = schema._zod.def as z.core.$ZodTypeDef & {
    readonly innerType?: z.core.$ZodType;
    readonly options?: readonly z.core.$ZodType[];
  };
  if (def.innerType !== undefined) yield* rulesOf(def.innerType);
  for (const option of def.options ?? []) yield* rulesOf(option);
  for (const check of def.checks ?? []) {
    const { check: kind, error } = check._zod.def;
    const message = kind === 'custom' ? error?.({} as never) : undefined;
    if (typeof message === 'string') yield message;
  }
}
