import type { QuestionParameterType, SqlParameterJson } from '@muster/api-contract';
import { isSqlParameterName } from '@muster/protocol/vocabulary';
import { usageError } from '../terminal/cli-error.js';

/** How a parameter's text is read. */
export const PARAM_TYPES: readonly QuestionParameterType[] = [
  ...(['text', 'integer', 'number', 'boolean', 'blob', 'list', 'null'] as const),
];
export type ParamType = QuestionParameterType;

export type QueryParams = Readonly<Record<string, SqlParameterJson>>;

const WORD = /^([^=:]*)(?::([a-z]+))?=([\s\S]*)$/;

export function isParamType(text: string): text is ParamType {
  return PARAM_TYPES.some((type) => type === text);
}

/**
 * The values of `--param`: `port=22`, or `port:text=22` with the type. Without a type, and where `declared` has none, what is written as an
 * integer is one, and anything else is text.
 * @throws CliError for what is no parameter
 */
export function parseQueryParams(
  words: readonly string[],
  declared: Readonly<Record<string, ParamType>> = {},
): QueryParams {
  const params = new Map<string, SqlParameterJson>();
  for (const word of words) {
    const [, name = '', type, text = ''] = WORD.exec(word) ?? [];
    if (!isSqlParameterName(name))
      throw usageError(`--param ${word}: a parameter is given as NAME=VALUE or NAME:TYPE=VALUE`);
    if (type !== undefined && !isParamType(type))
      throw usageError(`--param ${word}: the types are ${PARAM_TYPES.join(', ')}`);
    if (params.has(name)) throw usageError(`--param ${name} is given twice`);
    const known = type ?? (Object.hasOwn(declared, name) ? declared[name] : undefined);
    params.set(name, known === undefined ? guessed(text) : readParam(name, known, text));
  }
  return Object.fromEntries(params);
}

/** For an option that may be given several times. */
export function collect(word: string, before: readonly string[]): string[] {
  return [...before, word];
}

/** The text of a value of this type. @throws CliError when it is none */
export function readParam(name: string, type: ParamType, text: string): SqlParameterJson {
  switch (type) {
    case 'text':
      return text;
    case 'integer':
      if (!/^-?[0-9]{1,19}$/.test(text)) throw notOne(name, 'an integer of 64 bits', text);
      return integer(text);
    case 'number':
      if (!/^-?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]+)?$/.test(text)) throw notOne(name, 'a number', text);
      return { $number: Number(text) };
    case 'boolean':
      if (text !== 'true' && text !== 'false') throw notOne(name, 'true or false', text);
      return text === 'true';
    case 'blob':
      if (!/^([0-9a-fA-F]{2})*$/.test(text)) throw notOne(name, 'hexadecimal digits in pairs', text);
      return { $blob: Buffer.from(text, 'hex').toString('base64') };
    case 'list':
      return list(name, text);
    case 'null':
      if (text !== '') throw notOne(name, 'empty, as a null is', text);
      return null;
  }
}

/** The text that is read as this value; undefined where none is. */
export function paramText(value: SqlParameterJson): string | undefined {
  if (value === null) return '';
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value))
    return value.some((one) => typeof one === 'object' && one !== null) ? undefined : JSON.stringify(value);
  if ('$blob' in value) return Buffer.from(String(value.$blob), 'base64').toString('hex');
  return String('$number' in value ? value.$number : '$integer' in value ? value.$integer : '');
}

/** A JSON array, or values between commas. */
function list(name: string, text: string): SqlParameterJson {
  if (text === '') return [];
  if (!text.trimStart().startsWith('[')) return text.split(',').map(guessed);
  try {
    const values: unknown = JSON.parse(text);
    if (Array.isArray(values) && values.every((one) => one === null || typeof one !== 'object'))
      return values as (string | number | boolean | null)[];
  } catch {
    // Said below.
  }
  throw notOne(name, 'a JSON array of plain values', text);
}

function guessed(text: string): string | number | { readonly $integer: string } {
  return /^(0|-?[1-9][0-9]{0,17})$/.test(text) ? integer(text) : text;
}

function integer(text: string): number | { readonly $integer: string } {
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : { $integer: text };
}

function notOne(name: string, what: string, text: string): Error {
  return usageError(`the parameter ${name} must be ${what}, not ${JSON.stringify(text)}`);
}
