import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { operations, openApiDocument } from '@muster/api-contract';
import { ApiFixture } from '../testing/api-fixture.js';

let api: ApiFixture;
beforeEach(async () => {
  api = await ApiFixture.start();
});
afterEach(() => api.stop());

interface Layer {
  readonly route?: { readonly path: string; readonly stack: readonly { readonly method?: string }[] };
}

test('every operation of the contract is a route, and every route is an operation of the contract', () => {
  const layers = (api.api.app.router as unknown as { stack: readonly Layer[] }).stack;
  const routed = layers.flatMap(({ route }) =>
    (route?.stack ?? [])
      .filter(({ method }) => method !== undefined)
      .map(({ method }) => `${method} ${route?.path.replaceAll(/:(\w+)/g, '{$1}')}`),
  );
  expect(routed.toSorted()).toEqual(
    Object.values(operations)
      .map(({ method, path }) => `${method} ${path}`)
      .toSorted(),
  );
});

test('the served document is that of the contract', async () => {
  const { text, status } = await api.get('/v1/openapi.json', { token: null });
  expect(status).toBe(200);
  expect(text).toBe(JSON.stringify(openApiDocument(Object.values(operations))));
});
