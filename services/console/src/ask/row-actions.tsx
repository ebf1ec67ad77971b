import { ActButton } from '../act/act-button.js';
import type { ActTarget } from '../act/target.js';
import { rowsTarget, rowTarget } from './row-target.js';
import type { Line, PickAnswer } from '../rows/protocol.js';
import type { RowSource, Snapshot } from '../rows/row-source.js';
import { whole } from '../text/numbers.js';

/** More rows than one command takes. */
const MOST_ROWS = 5_000;

/** Acts on the endpoint of one row, bound to the row as it is shown. */
export function RowActions({ line, rows }: { line: Line; rows: Snapshot }) {
  const agentId = line.endpoint?.agentId;
  const target = rowTarget(line, rows);
  if (target === undefined || typeof agentId !== 'string') return null;
  return (
    <div>
      <ActButton label="Act on this row…" target={target} />{' '}
      <ActButton label="Act on this endpoint…" target={{ kind: 'agents', agentIds: [agentId] }} />
    </div>
  );
}

/** Acts on all rows of the view: what the filter leaves. Not there while lines are groups of rows. */
export function ResultActions({ rows, source, isGrouped }: { rows: Snapshot; source: RowSource; isGrouped: boolean }) {
  if (rows.query?.mode !== 'raw' || isGrouped || rows.length === 0 || rows.length > MOST_ROWS) return null;
  const read = async (): Promise<ActTarget> =>
    rowsTarget(await source.ask<PickAnswer>({ kind: 'pick', first: rows.length }), rows);
  return <ActButton label={`Act on these ${whole(rows.length)} rows…`} target={read} />;
}
