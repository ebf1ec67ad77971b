import type { ParamValue } from '@muster/protocol';
import { z } from 'zod';
import type { ActionDefinition } from './action.js';

/**
 * Parameters as people type them (`key=value`) in the types that the action's schema wants: `pid=17` is a number, `name=17` is text,
 * `allow=10.0.0.1,10.0.0.2` a list, `set=env=prod,tier=web` a map, `purge=true` a boolean. What cannot be read stays text, for
 * `parseParams` to say what is wrong with it; so does a key that the action does not have.
 */
export function paramsFromText(
  action: ActionDefinition,
  pairs: Iterable<readonly [key: string, text: string]>,
): Record<string, ParamValue> {
  const properties = z.toJSONSchema(action.params, { io: 'input' }).properties ?? {};
  return Object.fromEntries([...pairs].map(([key, text]) => [key, paramFromText(properties[key], text)]));
}

/** The same for one parameter of which the JSON Schema is known. */
export function paramFromText(schema: unknown, text: string): ParamValue {
  return readText(typeNames(schema), text);
}

function typeNames(schema: unknown): readonly string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const { type, anyOf } = schema as { type?: unknown; anyOf?: unknown };
  if (Array.isArray(anyOf)) return anyOf.flatMap(typeNames);
  return typeof type === 'string' ? [type] : [];
}

function readText(types: readonly string[], text: string): ParamValue {
  const isNumber = /^-?\d+(\.\d+)?$/.test(text) && (types.includes('integer') || types.includes('number'));
  if (isNumber) return Number(text);
  if (types.includes('boolean') && (text === 'true' || text === 'false')) return text === 'true';
  const parts = text === '' ? [] : text.split(',').map((part) => part.trim());
  if (types.includes('array')) return parts;
  if (types.includes('object') && parts.every((part) => part.includes('='))) {
    return Object.fromEntries(
      parts.map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]),
    );
  }
  return text;
}
