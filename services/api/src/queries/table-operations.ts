import { operations } from '@muster/api-contract';
import { AppError } from '@muster/protocol';
import type { TableSpec } from '@muster/tables';
import { implement, json, type Operation } from '../http/operation.js';

/** The tables that queries can use. */
export function tableOperations(tables: readonly TableSpec[]): Operation[] {
  const sorted = tables.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return [
    implement(operations.listTables, ({ query: { platform } }) =>
      json(200, { items: sorted.filter(({ platforms }) => platform === undefined || platforms.includes(platform)) }),
    ),
    implement(operations.showTable, ({ params }) => {
      const table = sorted.find(({ name }) => name === params.name.toLowerCase());
      if (table === undefined) throw new AppError('not_found', `there is no table ${params.name}`);
      return json(200, table);
    }),
  ];
}
