import { operations, type ActionJson } from '@muster/api-contract';
import { paramsSchema, type ActionDefinition } from '@muster/actions';
import { implement, json, type Operation } from '../http/operation.js';

/** The catalogue of actions. */
export function actionOperations(catalogue: readonly ActionDefinition[]): Operation[] {
  const items = catalogue
    .filter(({ hidden }) => hidden !== true)
    .map(actionJson)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return [implement(operations.listActions, () => json(200, { items }))];
}

function actionJson(action: ActionDefinition): ActionJson {
  const { name, summary, object, platforms, reversible, destructive, binds, bindsToo, timeoutMs } = action;
  return {
    name,
    summary,
    params: paramsSchema(action),
    ...(object === undefined ? {} : { object }),
    platforms,
    reversible,
    destructive,
    ...(binds === undefined ? {} : { binds }),
    ...(bindsToo === undefined ? {} : { bindsToo }),
    timeoutMs,
  };
}
