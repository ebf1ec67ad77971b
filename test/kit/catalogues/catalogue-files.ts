import { fileURLToPath } from 'node:url';
import { ACTIONS, paramRules, paramsSchema, type ActionDefinition } from '@muster/actions';
import { TABLES } from '@muster/tables';
import { metricsJson } from './metrics-json.js';

/** The catalogues for authors of agents, beside the test vectors of the protocol: the text of each file, by its path. */
export function catalogueFiles(): ReadonlyMap<string, string> {
  return new Map([
    [pathOf('actions.json'), textOf({ actions: sorted(ACTIONS).map(actionJson) })],
    [pathOf('metrics.json'), textOf(metricsJson())],
    [pathOf('tables.json'), textOf({ tables: sorted(TABLES) })],
  ]);
}

/** Everything of an action that an agent needs, the hidden ones included. */
function actionJson(action: ActionDefinition): object {
  const { params: _schema, summary, name, ...rest } = action;
  return { name, summary, params: paramsSchema(action), rules: paramRules(action), ...rest };
}

function sorted<T extends { readonly name: string }>(items: readonly T[]): T[] {
  return items.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function pathOf(name: string): string {
  return fileURLToPath(new URL(`../../../../shared/protocol/vectors/${name}`, import.meta.url));
}

function textOf(content: object): string {
  return `${JSON.stringify(content, undefined, 2)}\n`;
}
