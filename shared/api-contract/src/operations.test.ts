import { expect, test } from '@jest/globals';
import { curlOf, exampleOf } from './examples.js';
import { openApiDocument } from './openapi.js';
import type { OperationContract } from './operation.js';
import { operations } from './operations.js';

const all: readonly OperationContract[] = Object.values(operations);

test('an operation is found under its id', () => {
  expect(Object.keys(operations)).toEqual(all.map(({ id }) => id));
});

test('path parameters are declared where the path has them', () => {
  for (const { path, params } of all) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    expect(Object.keys(params?.shape ?? {})).toEqual(named);
  }
});

test('the references of the OpenAPI document all lead somewhere', () => {
  const document = openApiDocument(all);
  const text = JSON.stringify(document);
  const refs = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1] ?? '');
  expect(refs.length).toBeGreaterThan(20);
  for (const ref of new Set(refs)) {
    expect(ref.startsWith('#/components/schemas/')).toBe(true);
    expect(document).toHaveProperty(['components', 'schemas', ref.slice('#/components/schemas/'.length)]);
  }
  expect(document).toHaveProperty('openapi', '3.1.0');
  expect(text).not.toContain('$defs');
});

test.each(all.map((operation) => [operation.id, operation] as const))(
  '%s has an example that it takes',
  (id, operation) => {
    const { params, query, body } = exampleOf(operation);
    for (const [given, schema] of [
      [params, operation.params],
      [query ?? {}, operation.query],
      [body, operation.body],
    ] as const) {
      if (schema === undefined) expect(given ?? {}).toEqual({});
      else expect([id, schema.safeParse(given).error?.issues ?? []]).toEqual([id, []]);
    }
    expect(curlOf(operation)).not.toMatch(/\{\w+\}|undefined/);
  },
);
