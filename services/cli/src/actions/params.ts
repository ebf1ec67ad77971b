import { paramFromText } from '@muster/actions';
import type { ActionJson } from '@muster/api-contract';
import type { Params, ParamValue } from '@muster/protocol';
import { CliError, EXIT } from '../terminal/cli-error.js';
import { nearest } from '../terminal/nearest.js';

/** The JSON Schema of one parameter, as far as reading typed text depends on it. */
export interface ParamSchema {
  readonly type?: string;
  readonly anyOf?: readonly ParamSchema[];
  readonly enum?: readonly ParamValue[];
  readonly default?: ParamValue;
  readonly description?: string;
}

/** The schemas of an action's parameters by name. */
export function paramSchemas({ params }: ActionJson): Readonly<Record<string, ParamSchema>> {
  return (params['properties'] ?? {}) as Readonly<Record<string, ParamSchema>>;
}

/**
 * Reads typed parameters, `key=value`, as the types in the action's JSON Schema: numbers, booleans, lists as `a,b`, and maps as
 * `set=env=prod,tier=web`. Lists and maps may be given in several words. The server checks the rest.
 * @throws CliError that names every fault
 */
export function parseParamWords(action: ActionJson, words: readonly string[]): Params {
  const params = new Map<string, ParamValue>();
  const faults: string[] = [];
  const schemas = paramSchemas(action);
  for (const word of words) {
    const at = word.indexOf('=');
    const key = word.slice(0, at);
    const schema = Object.hasOwn(schemas, key) ? schemas[key] : undefined;
    if (at < 1) faults.push(`"${word}" is not key=value`);
    else if (schema === undefined) faults.push(unknownKey(action, key));
    else faults.push(...take(params, key, schema, word.slice(at + 1)));
  }
  if (faults.length === 0) return Object.fromEntries(params);
  throw new CliError(faults.join('; '), { exitCode: EXIT.usage, hint: `\`muster actions ${action.name}\` shows them` });
}

/** The values that a parameter can have, if there are few. */
export function choicesOf(schema: ParamSchema): readonly string[] {
  if (schema.enum !== undefined) return schema.enum.map(String);
  return schema.type === 'boolean' ? ['true', 'false'] : [];
}

/** The types that a parameter can have, as JSON Schema names them. */
export function typesOf(schema: ParamSchema): readonly string[] {
  if (schema.anyOf !== undefined) return schema.anyOf.flatMap(typesOf);
  return schema.type === undefined ? [] : [schema.type];
}

function unknownKey(action: ActionJson, key: string): string {
  const near = nearest(key, Object.keys(paramSchemas(action)));
  return `${action.name} has no parameter "${key}"${near === undefined ? '' : `; did you mean ${near}?`}`;
}

/** Adds one value. Returns its fault, if it has one. */
function take(params: Map<string, ParamValue>, key: string, schema: ParamSchema, text: string): string[] {
  const value = paramFromText(schema, text);
  const before = params.get(key);
  if (before === undefined) params.set(key, value);
  else if (Array.isArray(before) && Array.isArray(value)) params.set(key, [...before, ...value]);
  else if (isMap(before) && isMap(value)) params.set(key, { ...before, ...value });
  else return [`"${key}" is there twice`];
  const choices = choicesOf(schema);
  if (choices.length > 0 && !choices.includes(text)) return [`${key} is one of ${choices.join(', ')}, not "${text}"`];
  const types = typesOf(schema);
  // A value that could not be read as its type is still text.
  if (typeof value === 'string' && types.length > 0 && !types.includes('string'))
    return [`${key} is ${TYPE_WORDS[types[0] ?? ''] ?? types.join(' or ')}, not "${text}"`];
  return [];
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  object: 'a list of name=value',
};

function isMap(value: ParamValue): value is Record<string, string> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `process.kill name=abc.exe`: an action and its parameters, as they could have been typed. */
export function commandText(action: string, params: Readonly<Record<string, unknown>>): string {
  return `${action} ${paramsText(params)}`.trimEnd();
}

/** Parameters as they could have been typed. */
export function paramsText(params: Readonly<Record<string, unknown>>): string {
  return Object.entries(params)
    .map(([key, value]) => `${key}=${shellWord(valueText(value as ParamValue))}`)
    .join(' ');
}

function valueText(value: ParamValue): string {
  if (Array.isArray(value)) return value.join(',');
  if (!isMap(value)) return String(value);
  return Object.entries(value)
    .map(([key, text]) => `${key}=${text}`)
    .join(',');
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./\\-]*$/.test(text) && text !== '' && !text.includes('\\')
    ? text
    : `'${text.replaceAll("'", `'\\''`)}'`;
}
