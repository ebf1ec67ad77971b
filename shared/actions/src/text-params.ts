import type { ParamValue } from '@muster/protocol';

/**
 * A parameter as people type it in the type that its JSON Schema wants: `17` is a number where numbers are wanted and text where text is,
 * `10.0.0.1,10.0.0.2` a list, `env=prod,tier=web` a map, `true` a boolean. What cannot be read stays text, for `parseParams` to say what
 * is wrong with it; so does everything without a schema.
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
