import { z } from 'zod';
import { platform } from './fields.js';
import { defineOperations, jsonAnswer, type Json } from './operation.js';

const columnSchema = z
  .object({
    name: z.string(),
    type: z.enum(['TEXT', 'INTEGER', 'BIGINT', 'DOUBLE', 'BLOB']),
    description: z.string(),
    hidden: z.boolean().optional().meta({ description: 'Not part of `SELECT *`.' }),
    platforms: z
      .array(platform)
      .optional()
      .meta({ description: 'Set when only some of the table’s platforms have the column; it is NULL on the others.' }),
    collate: z.string().optional().meta({ description: 'How texts compare, when not byte by byte.' }),
    pushdown: z
      .array(z.string())
      .optional()
      .meta({ description: 'Comparisons with this column that make the agent read less.' }),
    source: z.literal(true).optional().meta({
      description: 'An equality says where to read. Without it the table reads elsewhere, and has other rows.',
    }),
  })
  .meta({ id: 'Column' });

const tableSchema = z
  .object({
    name: z.string(),
    description: z.string(),
    platforms: z.array(platform),
    columns: z.array(columnSchema),
    sensitivity: z.enum(['personal', 'secret']).optional().meta({
      description:
        'Its rows may hold credentials (`secret`), or say what a person did (`personal`): only those may ask it whom the policy of their org allows it.',
    }),
    cost: z.string().optional().meta({
      description:
        'What it reads when nothing narrows it: `few_files`, `packages`, `program`, `docker`, `homes`, `processes`, `folders` or `contents`.',
    }),
    costNote: z.string().optional().meta({
      description: 'The same as a sentence for people, with the columns that make it read less.',
    }),
    requiresOneOf: z
      .array(z.string())
      .optional()
      .meta({ description: 'One of these columns must be compared, or the statement does not compile.' }),
  })
  .meta({ id: 'Table' });

export const tableOperations = defineOperations('tables', {
  listTables: {
    method: 'get',
    path: '/v1/tables',
    action: 'table.list',
    summary: 'All tables, in the order of their names',
    access: 'tables:read',
    query: z.strictObject({ platform: platform.optional() }),
    answers: {
      200: jsonAnswer(
        'Tables with their columns.',
        z.object({ items: z.array(tableSchema) }).meta({ id: 'TableList' }),
      ),
    },
    problems: [],
  },
  showTable: {
    method: 'get',
    path: '/v1/tables/{name}',
    action: 'table.show',
    summary: 'One table',
    access: 'tables:read',
    params: z.object({ name: z.string().max(128) }),
    answers: { 200: jsonAnswer('The table.', tableSchema) },
    problems: ['not_found'],
  },
});

export type TableJson = Json<typeof tableSchema>;
