import { openApiDocument, operations } from '@muster/api-contract';
import { implement, json, type Operation } from './operation.js';

/** The OpenAPI document of the whole contract. */
export function openApiOperation(): Operation {
  const document = openApiDocument(Object.values(operations));
  return implement(operations.openapi, () =>
    json(200, document, { headers: { 'cache-control': 'public, max-age=60' } }),
  );
}
