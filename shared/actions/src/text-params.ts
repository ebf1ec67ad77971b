import type { ParamValue } from '@muster/protocol';

/**
 * Converts text that a user typed to the type in the JSON Schema: `17` to a number, `true` to a boolean,
 * `10.0.0.1,10.0.0.2` to a list, `env=prod,tier=web` to a map. Text that cannot be converted stays text, and
 * `parseParams` reports it. Without a schema the text stays as it is.
 */
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
