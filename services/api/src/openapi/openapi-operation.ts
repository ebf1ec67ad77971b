import { z } from 'zod';
import { defineOperation, json, type Operation } from '../http/operation.js';
import { openApiDocument } from './document.js';

/** All operations and the one that describes them, itself included. */
export function withOpenApi(operations: readonly Operation[], version: string): Operation[] {
  let document: object = {};
  const own = defineOperation({
    id: 'openapi',
    method: 'get',
    path: '/v1/openapi.json',
    tag: 'openapi',
    action: 'openapi.show',
    summary: 'This document',
    access: 'public',
    responses: {
      200: { description: 'OpenAPI 3.1.', content: { 'application/json': z.record(z.string(), z.unknown()) } },
    },
    handle: () => json(200, document, { headers: { 'cache-control': 'public, max-age=60' } }),
  });
  const all = [...operations, own];
  document = openApiDocument(all, version);
  return all;
}
