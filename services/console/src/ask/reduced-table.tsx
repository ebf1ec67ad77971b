import { useMemo } from 'react';
import { Grid } from '../grid/grid.js';
import type { Line, RowsState } from '../rows/protocol.js';
import type { Value } from '../rows/row-store.js';
import { plural } from '../text/numbers.js';
import { visible } from '../text/visible.js';
import { Notice } from '../ui/notice.js';
import { resultColumns } from './columns.js';
import styles from './reduced-table.module.css';

/** The rows of the second statement. */
export function ReducedTable({ reduced }: { reduced: NonNullable<RowsState['reduced']> }) {
  const lines = useMemo(
    () => reduced.rows.map((values, place): Line => ({ place, values: values as readonly Value[] })),
    [reduced],
  );
  const columns = useMemo(
    () => resultColumns(reduced.columns, 'raw', lines.slice(0, 40)).filter(({ id }) => id !== '@host'),
    [reduced.columns, lines],
  );
  if (reduced.error !== undefined)
    return <Notice tone="danger">The second statement failed: {visible(reduced.error)}</Notice>;
  return (
    <div className={styles['reduced']} data-rows={Math.min(lines.length, 8)}>
      <h3>
        Reduced: {plural(lines.length, 'row')}
        {reduced.truncated && ', cut at the limit'}
      </h3>
      <Grid label="Reduced rows" columns={columns} length={lines.length} rowAt={(place) => lines[place]} />
    </div>
  );
}
