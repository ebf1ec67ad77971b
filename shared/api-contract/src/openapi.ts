import { leastRole, ROLES } from '@muster/identity/roles';
import { z } from 'zod';
import { curlOf, exampleOf, type CallExample } from './examples.js';
import {
  defineOperations,
  jsonAnswer,
  responsesOf,
  type AnswerDescription,
  type OperationContract,
} from './operation.js';

/** Of the REST interface, not of a program. */
export const API_VERSION = '1.0.0';

type Json = Record<string, unknown>;

/** Schemas by name, gathered while the document is made. */
type Components = Record<string, unknown>;

export const openapiOperations = defineOperations('openapi', {
  openapi: {
    method: 'get',
    path: '/v1/openapi.json',
    action: 'openapi.show',
    summary: 'This document',
    access: 'public',
    answers: { 200: jsonAnswer('OpenAPI 3.1.', z.record(z.string(), z.unknown())) },
  },
});

/**
 * The OpenAPI 3.1 document of a set of operations, from the same schemas that check their requests. Schemas with an id become
 * components.
 */
export function openApiDocument(operations: readonly OperationContract[]): Json {
  const schemas: Components = {};
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    paths[operation.path] ??= {};
    Object.assign(paths[operation.path] as Json, { [operation.method]: operationObject(operation, schemas) });
  }
  return {
    openapi: '3.1.0',
    jsonSchemaDialect: 'https://json-schema.org/draft/2020-12/schema',
    info: {
      title: 'Muster',
      version: API_VERSION,
      description:
        'Live mode for endpoint fleets. Errors are RFC 9457 problem documents; lists are paged by cursor; calls that change something ' +
        'accept `Idempotency-Key`: for 24 hours a repeat with the same key and body gets the same answer and does nothing.',
    },
    servers: [{ url: '/' }],
    security: [{ bearer: [] }, { session: [] }],
    tags: [...new Set(operations.map(({ tag }) => tag))].map((name) => ({ name })),
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1))),
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'An operator token (`mst_…`), or a JWT of the identity provider.',
        },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: '__Host-muster',
          description:
            'A session of the console (`signIn`), for browsers. Whatever may change something needs the header `Muster-Request` besides. A call with `Muster-Person: <org>/<kind>/<id>` (each percent-encoded) counts only where the session is of that person, and is refused with `other_person` otherwise. Over plain HTTP on loopback the cookie is `muster-<port>`.',
        },
      },
    },
  };
}

const PLATFORM_NOTE =
  'Only for admins of the platform’s org whom no selector bounds: it is counted over all orgs together.';

function operationObject(operation: OperationContract, schemas: Components): Json {
  const { id, summary, description, tag, access, platform, body } = operation;
  const parameters = [
    ...objectParameters('path', operation.params, { schemas, examples: exampleOf(operation).params }),
    ...objectParameters('query', operation.query, { schemas, examples: exampleOf(operation).query }),
    ...headerParameters(operation),
  ];
  const role = leastRoleOf(operation);
  const needs =
    access === 'public' || access === 'any'
      ? undefined
      : `Needs the permission \`${access}\`, which the role \`${role}\` has.`;
  return {
    operationId: id,
    summary,
    description: [description, needs, platform === true ? PLATFORM_NOTE : undefined]
      .filter((text) => text !== undefined)
      .join('\n\n'),
    tags: [tag],
    'x-muster-role': role,
    ...(platform === true ? { 'x-muster-platform': true } : {}),
    ...(access === 'public' ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : {
          requestBody: {
            required: !body.safeParse(undefined).success,
            content: {
              'application/json': {
                schema: schemaObject(body, 'input', schemas),
                example: exampleOf(operation).body ?? {},
              },
            },
          },
        }),
    'x-codeSamples': [{ lang: 'Shell', label: 'curl', source: curlOf(operation) }],
    responses: Object.fromEntries(
      Object.entries(responsesOf(operation)).map(([status, response]) => [status, responseObject(response, schemas)]),
    ),
  };
}

/** The lowest role that may call it; `public` where no credentials are needed. */
export function leastRoleOf({
  access,
  platform,
}: Pick<OperationContract, 'access' | 'platform'>): (typeof ROLES)[number] | 'public' {
  if (access === 'public') return access;
  if (platform === true) return 'admin';
  return access === 'any' ? ROLES[0] : leastRole(access);
}

function objectParameters(
  where: 'path' | 'query',
  schema: z.ZodObject | undefined,
  { schemas, examples }: { readonly schemas: Components; readonly examples: CallExample['params'] },
): Json[] {
  return Object.entries(schema?.shape ?? {}).map(([name, member]) => {
    // A transformed parameter shows what is sent, not what it becomes.
    const { description, ...rest } = schemaObject(member as z.ZodType, 'input', schemas);
    const required = where === 'path' || !(member as z.ZodType).safeParse(undefined).success;
    const example = examples?.[name];
    return {
      ...{ name, in: where, required, schema: rest },
      ...(description === undefined ? {} : { description }),
      ...(example === undefined ? {} : { example }),
    };
  });
}

function headerParameters({ headers = {}, idempotent }: OperationContract): Json[] {
  const all = {
    ...headers,
    ...(idempotent !== undefined && idempotent !== false
      ? { 'Idempotency-Key': 'Any text of up to 255 visible ASCII characters, new for each intent.' }
      : {}),
  };
  return Object.entries(all).map(([name, description]) => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string' },
  }));
}

function responseObject({ description, content, headers }: AnswerDescription, schemas: Components): Json {
  return {
    description,
    ...(content === undefined
      ? {}
      : {
          content: Object.fromEntries(
            Object.entries(content).map(([type, schema]) => [
              type,
              { schema: schema === undefined ? { type: 'string' } : schemaObject(schema, 'output', schemas) },
            ]),
          ),
        }),
    ...(headers === undefined
      ? {}
      : {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, text]) => [name, { description: text, schema: { type: 'string' } }]),
          ),
        }),
  };
}

/** A schema as JSON Schema; named ones move to the components. */
function schemaObject(schema: z.ZodType, io: 'input' | 'output', schemas: Components): Json {
  const made = z.toJSONSchema(schema, { target: 'draft-2020-12', io, unrepresentable: 'any' }) as Json;
  const { $schema: _dialect, $defs, id, ...rest } = withComponentRefs(made) as Json;
  for (const [name, definition] of Object.entries(($defs ?? {}) as Json)) schemas[name] ??= withoutId(definition);
  if (typeof id !== 'string') return rest;
  schemas[id] ??= rest;
  return { $ref: `#/components/schemas/${id}` };
}

function withoutId(definition: unknown): unknown {
  const { id: _id, ...rest } = definition as Json;
  return rest;
}

function withComponentRefs(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withComponentRefs);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => [
      key,
      key === '$ref' && typeof member === 'string'
        ? member.replace('#/$defs/', '#/components/schemas/')
        : withComponentRefs(member),
    ]),
  );
}
