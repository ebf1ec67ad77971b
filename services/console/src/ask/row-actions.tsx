import { ActButton } from '../act/act-button.js';
import type { TargetRow } from '../act/target.js';
import type { Line, PickAnswer } from '../rows/protocol.js';
import type { RowSource, Snapshot } from '../rows/row-source.js';
import { whole } from '../text/numbers.js';

/** More rows than one order takes. */
const MOST_ROWS = 5_000;

/** Acts on the endpoint of one row, bound to the row. */
export function RowActions({ line, rows, source }: { line: Line; rows: Snapshot; source: RowSource }) {
  const { endpoint } = line;
  const tables = rows.query?.tables ?? [];
  if (endpoint?.agentId === null || endpoint === undefined) return null;
  const pick = (columns: readonly string[]): Promise<readonly TargetRow[]> =>
    source.ask<PickAnswer>({ kind: 'pick', columns, places: [line.place] });
  return (
    <div>
      <ActButton label="Act on this row…" target={{ kind: 'rows', tables, columns: rows.columns, pick }} />{' '}
      <ActButton label="Act on this endpoint…" target={{ kind: 'agents', agentIds: [endpoint.agentId ?? ''] }} />
    </div>
  );
}

/** Acts on all rows of the view: what the filter leaves. */
export function ResultActions({ rows, source }: { rows: Snapshot; source: RowSource }) {
  const tables = rows.query?.tables ?? [];
  if (rows.query?.mode !== 'raw' || rows.length === 0 || rows.length > MOST_ROWS) return null;
  const pick = (columns: readonly string[]): Promise<readonly TargetRow[]> =>
    source.ask<PickAnswer>({ kind: 'pick', columns, places: 'all' });
  return (
    <ActButton
      label={`Act on these ${whole(rows.length)} rows…`}
      target={{ kind: 'rows', tables, columns: rows.columns, pick }}
    />
  );
}
