import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { ApiFixture } from '../testing/api-fixture.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

interface Layer {
  readonly route?: { readonly path: string; readonly stack: readonly { readonly method?: string }[] };
}

test('every route is in the document, and everything in the document is a route', async () => {
  const { body } = await api.get('/v1/openapi.json', { token: null });
  const documented = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  const layers = (api.api.app.router as unknown as { stack: readonly Layer[] }).stack;
  const routed = layers.flatMap(({ route }) =>
    (route?.stack ?? [])
      .filter(({ method }) => method !== undefined)
      .map(({ method }) => `${method} ${route?.path.replaceAll(/:(\w+)/g, '{$1}')}`),
  );
  expect(routed.toSorted()).toEqual(documented.toSorted());
  expect(documented.length).toBeGreaterThan(20);
});

test('is OpenAPI 3.1 whose references all lead somewhere, and whose ids are unique', async () => {
  const { body, status, text } = await api.get('/v1/openapi.json', { token: null });
  expect(status).toBe(200);
  expect(body.openapi).toBe('3.1.0');
  const refs = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1] ?? '');
  expect(refs.length).toBeGreaterThan(20);
  for (const ref of new Set(refs)) {
    expect(ref.startsWith('#/components/schemas/')).toBe(true);
    expect(body.components.schemas).toHaveProperty([ref.slice('#/components/schemas/'.length)]);
  }
  const ids = api.api.operations.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(text).not.toContain('$defs');
});

test('path parameters are declared where the path has them', async () => {
  for (const { path, params } of api.api.operations) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
    expect(Object.keys(params?.shape ?? {})).toEqual(named);
  }
});
