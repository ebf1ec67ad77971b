import type { ActTarget } from '../act/target.js';
import { rowByName } from '../rows/pick-rows.js';
import type { Line, PickAnswer } from '../rows/protocol.js';
import type { Snapshot } from '../rows/row-source.js';

type Shown = Pick<Snapshot, 'columns' | 'query'>;

/** A command for one row: for the values that are shown, wherever the row goes in the view afterwards. */
export function rowTarget({ endpoint, values }: Line, { columns, query }: Shown): ActTarget | undefined {
  if (typeof endpoint?.agentId !== 'string') return undefined;
  const row = rowByName(columns, values);
  return { kind: 'rows', tables: query?.tables ?? [], columns, rows: [{ agentId: endpoint.agentId, row }] };
}

/** A command for the rows that a view had when they were picked. */
export function rowsTarget({ rows, omitted }: PickAnswer, { columns, query }: Shown): ActTarget {
  return { kind: 'rows', tables: query?.tables ?? [], columns, rows, omitted };
}
