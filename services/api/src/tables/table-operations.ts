import { AppError } from '@muster/protocol';
import { PLATFORMS, type TableSpec } from '@muster/tables';
import { z } from 'zod';
import { defineOperation, json, type Operation } from '../http/operation.js';
import { problems } from '../http/schemas.js';

const columnSchema = z
  .object({
    name: z.string(),
    type: z.enum(['TEXT', 'INTEGER', 'BIGINT', 'DOUBLE', 'BLOB']),
    description: z.string(),
    hidden: z.boolean().optional().meta({ description: 'Not part of `SELECT *`.' }),
    platforms: z
      .array(z.enum(PLATFORMS))
      .optional()
      .meta({ description: 'Set when only some of the table’s platforms have the column; it is NULL on the others.' }),
    collate: z.string().optional().meta({ description: 'How texts compare, when not byte by byte.' }),
    pushdown: z
      .array(z.string())
      .optional()
      .meta({ description: 'Comparisons with this column that make the agent read less.' }),
  })
  .meta({ id: 'Column' });

const tableSchema = z
  .object({
    name: z.string(),
    description: z.string(),
    platforms: z.array(z.enum(PLATFORMS)),
    columns: z.array(columnSchema),
    requiresOneOf: z
      .array(z.string())
      .optional()
      .meta({ description: 'One of these columns must be compared, or the statement does not compile.' }),
  })
  .meta({ id: 'Table' });

/** The schema that questions are asked against. */
export function tableOperations(tables: readonly TableSpec[]): Operation[] {
  const sorted = tables.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return [
    defineOperation({
      id: 'listTables',
      method: 'get',
      path: '/v1/tables',
      tag: 'tables',
      action: 'table.list',
      summary: 'All tables, in the order of their names',
      access: 'tables:read',
      query: z.strictObject({ platform: z.enum(PLATFORMS).optional() }),
      responses: {
        200: {
          description: 'Tables with their columns.',
          content: { 'application/json': z.object({ items: z.array(tableSchema) }).meta({ id: 'TableList' }) },
        },
        ...problems(),
      },
      handle: ({ query: { platform } }) =>
        json(200, { items: sorted.filter(({ platforms }) => platform === undefined || platforms.includes(platform)) }),
    }),
    defineOperation({
      id: 'showTable',
      method: 'get',
      path: '/v1/tables/{name}',
      tag: 'tables',
      action: 'table.show',
      summary: 'One table',
      access: 'tables:read',
      params: z.object({ name: z.string().max(128) }),
      responses: {
        200: { description: 'The table.', content: { 'application/json': tableSchema } },
        ...problems('not_found'),
      },
      handle: ({ params }) => {
        const table = sorted.find(({ name }) => name === params.name.toLowerCase());
        if (table === undefined) throw new AppError('not_found', `there is no table ${params.name}`);
        return json(200, table);
      },
    }),
  ];
}
