import { LIMITS, type Params } from '@muster/protocol';
import type { z } from 'zod';
import type { ActionDefinition, Fault, ObjectParams } from './catalogue/action.js';

export type ParsedParams =
  { readonly ok: true; readonly params: Params } | { readonly ok: false; readonly faults: readonly Fault[] };

/**
 * Validates the parameters of a command, fills in defaults and returns all faults. With `bound`, a row names the
 * object, so parameters must not. Without it, parameters must name the object in exactly one of the action's ways.
 * Idempotent: parsing the result returns the same result.
 */
export function parseParams(action: ActionDefinition, params: unknown, { bound = false } = {}): ParsedParams {
  const parsed = action.params.safeParse(params);
  if (!parsed.success) return { ok: false, faults: parsed.error.issues.flatMap((issue) => issueFaults(action, issue)) };
  const faults = [...sizeFaults(params), ...objectFaults(action, Object.keys(params as object), bound)];
  if (faults.length > 0) return { ok: false, faults };
  const data = parsed.data as Params;
  return { ok: true, params: bound ? withoutObject(action, data) : data };
}

/** Drops defaults of object parameters: the row names the object already, and a default would look like a request. */
function withoutObject({ object = [] }: ActionDefinition, params: Params): Params {
  return Object.fromEntries(Object.entries(params).filter(([key]) => !object.some((way) => takes(way, key))));
}

function issueFaults(action: ActionDefinition, issue: z.core.$ZodIssue): Fault[] {
  const path = issue.path.join('.');
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({ path: clip(key), message: `${action.name} has no parameter of this name` }));
    case 'invalid_union':
      // A duration is text or a number. Report the error of the branch with the value's type.
      return [
        {
          path,
          message: issue.errors.find((errors) => errors[0]?.code !== 'invalid_type')?.[0]?.message ?? issue.message,
        },
      ];
    default:
      return [{ path, message: path === '' ? 'the parameters must be an object' : issue.message }];
  }
}

function sizeFaults(params: unknown): Fault[] {
  if (Buffer.byteLength(JSON.stringify(params)) <= LIMITS.paramsBytes) return [];
  return [{ path: '', message: `the parameters have more than ${LIMITS.paramsBytes} bytes` }];
}

function objectFaults(action: ActionDefinition, keys: readonly string[], bound: boolean): Fault[] {
  const ways = action.object;
  if (ways === undefined) return [];
  const naming = keys.filter((key) => ways.some((way) => takes(way, key)));
  if (bound) return naming.map((path) => ({ path, message: 'the row says this already; leave it out' }));
  const way = ways.find(({ required }) => required.every((key) => keys.includes(key)));
  if (way === undefined) return missingFaults(ways, naming);
  return naming
    .filter((key) => !takes(way, key))
    .map((path) => ({ path, message: `this does not go together with ${way.required.join(', ')}` }));
}

function missingFaults(ways: readonly ObjectParams[], naming: readonly string[]): Fault[] {
  const [only, ...others] = ways;
  if (only !== undefined && others.length === 0) {
    return only.required
      .filter((key) => !naming.includes(key))
      .map((path) => ({ path, message: 'this parameter is needed' }));
  }
  return [{ path: '', message: `one of these is needed: ${ways.map((way) => way.required.join(' and ')).join('; ')}` }];
}

function takes(way: ObjectParams, key: string): boolean {
  return way.required.includes(key) || way.optional.includes(key);
}

function clip(text: string): string {
  return text.slice(0, 80);
}
