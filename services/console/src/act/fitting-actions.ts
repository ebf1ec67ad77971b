import type { ActionJson } from '@muster/api-contract';
import type { ActTarget } from './target.js';

type RowShape = NonNullable<ActionJson['binds']>;

/** An action that fits, with the columns of a row that it is bound to. */
export interface FittingAction {
  readonly action: ActionJson;
  readonly shape?: RowShape;
}

/**
 * Actions that fit a target. Rows fit an action that binds to one of their tables, and whose columns they have; endpoints fit each action
 * that their platforms know.
 */
export function fittingActions(
  actions: readonly ActionJson[],
  target: ActTarget,
  platforms: readonly string[] = [],
): readonly FittingAction[] {
  const known = actions.filter(
    (action) => platforms.length === 0 || platforms.some((platform) => action.platforms.includes(platform)),
  );
  if (target.kind !== 'rows') return known.map((action) => ({ action }));
  return known.flatMap((action) => {
    if (target.action !== undefined && action.name !== target.action) return [];
    const shapes = [...(action.binds === undefined ? [] : [action.binds]), ...(action.bindsToo ?? [])];
    const shape = shapes.find(
      ({ table, required }) => target.tables.includes(table) && required.every((name) => target.columns.includes(name)),
    );
    return shape === undefined ? [] : [{ action, shape }];
  });
}

/** A parameter as a form shows it. */
export interface ActionField {
  readonly name: string;
  readonly description: string;
  readonly kind: 'text' | 'integer' | 'boolean' | 'list' | 'labels';
  readonly choices: readonly string[];
  readonly fallback: string;
  readonly isRequired: boolean;
}

interface JsonSchema {
  readonly type?: string;
  readonly description?: string;
  readonly enum?: readonly string[];
  readonly default?: unknown;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
}

/** The parameters of an action, from their JSON Schema. */
export function actionFields({ params, object }: ActionJson): readonly ActionField[] {
  const schema = params as JsonSchema;
  const only = object?.length === 1 ? (object[0]?.required ?? []) : [];
  return Object.entries(schema.properties ?? {}).map(([name, property]) => ({
    name,
    description: property.description ?? '',
    kind: kindOf(property),
    choices: property.enum ?? [],
    fallback:
      typeof property.default === 'string' || typeof property.default === 'number' ? String(property.default) : '',
    isRequired: schema.required?.includes(name) === true || only.includes(name),
  }));
}

function kindOf({ type }: JsonSchema): ActionField['kind'] {
  if (type === 'integer' || type === 'boolean') return type;
  if (type === 'array') return 'list';
  return type === 'object' ? 'labels' : 'text';
}

/** What the API takes for the fields; empty ones are left out. */
export function paramsFrom(
  fields: readonly ActionField[],
  given: Readonly<Record<string, string>>,
): Readonly<Record<string, unknown>> {
  const entries = fields.flatMap((field): readonly (readonly [string, unknown])[] => {
    const text = (given[field.name] ?? '').trim();
    if (text === '') return [];
    if (field.kind === 'integer') return [[field.name, Number.isNaN(Number(text)) ? text : Number(text)]];
    if (field.kind === 'boolean') return [[field.name, text === 'true']];
    const words = text.split(/[\s,]+/);
    if (field.kind === 'list') return [[field.name, words]];
    if (field.kind === 'labels') return [[field.name, Object.fromEntries(words.map((word) => word.split('=')))]];
    return [[field.name, text]];
  });
  return Object.fromEntries(entries);
}
