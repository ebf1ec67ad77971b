import type { ActionDefinition } from '@muster/actions';
import { z } from 'zod';
import { defineOperation, json, type Operation } from '../http/operation.js';
import { problems } from '../http/schemas.js';

const rowShapeSchema = z
  .object({
    table: z.string(),
    required: z.array(z.string()),
    optional: z.array(z.string()),
    integers: z.array(z.string()).optional(),
    hashed: z.array(z.string()).optional(),
  })
  .meta({ id: 'ActionRow', description: 'Columns of a row that an action can be bound to.' });

const actionSchema = z
  .object({
    name: z.string(),
    summary: z.string(),
    params: z.record(z.string(), z.unknown()).meta({ description: 'JSON Schema (draft 2020-12) of the parameters.' }),
    object: z
      .array(z.object({ required: z.array(z.string()), optional: z.array(z.string()) }))
      .optional()
      .meta({ description: 'How parameters name what is acted on: exactly one of these ways, unless rows name it.' }),
    platforms: z.array(z.string()),
    reversible: z.boolean(),
    destructive: z.boolean(),
    binds: rowShapeSchema.optional(),
    bindsToo: z.array(rowShapeSchema).optional(),
    timeoutMs: z.int(),
  })
  .meta({ id: 'Action' });

/** The catalogue of what can be ordered. */
export function actionOperations(catalogue: readonly ActionDefinition[]): Operation[] {
  const items = catalogue
    .filter(({ hidden }) => hidden !== true)
    .map(actionJson)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return [
    defineOperation({
      id: 'listActions',
      method: 'get',
      path: '/v1/actions',
      tag: 'commands',
      action: 'action.list',
      summary: 'Actions that can be ordered, with their parameters',
      access: 'commands:read',
      responses: {
        200: {
          description: 'All of them, by name.',
          content: { 'application/json': z.object({ items: z.array(actionSchema) }).meta({ id: 'ActionList' }) },
        },
        ...problems(),
      },
      handle: () => json(200, { items }),
    }),
  ];
}

function actionJson(action: ActionDefinition) {
  const { name, summary, params, object, platforms, reversible, destructive, binds, bindsToo, timeoutMs } = action;
  return {
    name,
    summary,
    params: z.toJSONSchema(params, { target: 'draft-2020-12', io: 'input', unrepresentable: 'any' }),
    ...(object === undefined ? {} : { object }),
    platforms,
    reversible,
    destructive,
    ...(binds === undefined ? {} : { binds }),
    ...(bindsToo === undefined ? {} : { bindsToo }),
    timeoutMs,
  };
}
