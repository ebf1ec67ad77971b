import { VisibleText } from '../ui/visible-text.js';
import type { GridSort, PlacedColumn } from './grid-column.js';
import styles from './grid.module.css';

/** What the head needs of a table of TanStack. */
interface Resizable {
  getHeaderGroups(): readonly {
    readonly headers: readonly {
      readonly column: { readonly id: string };
      getResizeHandler(): (event: unknown) => void;
    }[];
  }[];
}

export function GridHead<T>({
  placed,
  lead,
  width,
  table,
  sort,
  onSort,
}: {
  placed: readonly PlacedColumn<T>[];
  lead: number;
  width: number;
  table: Resizable;
  sort: GridSort | undefined;
  onSort: ((id: string) => void) | undefined;
}) {
  const headers = table.getHeaderGroups()[0]?.headers ?? [];
  return (
    <div className={styles['head']} role="rowgroup" style={{ width }}>
      <div role="row" aria-rowindex={1}>
        {lead > 0 && (
          <div role="columnheader" className={styles['column']} style={{ width: lead }}>
            <span className="vh">Selected</span>
          </div>
        )}
        {placed.map(({ column, start, size, index }) => {
          const isSorted = sort?.id === column.id;
          const direction = sort?.descending === true ? 'descending' : 'ascending';
          const canSort = onSort !== undefined && column.isSortable !== false;
          const names = `${styles['sort']} ${isSorted ? styles['sorted'] : ''} ${column.isNumber === true ? styles['end'] : ''}`;
          const text = (
            <>
              <VisibleText text={column.name} />
              {isSorted && <span aria-hidden="true">{direction === 'descending' ? ' ↓' : ' ↑'}</span>}
            </>
          );
          return (
            <div
              key={column.id}
              role="columnheader"
              aria-colindex={index + 1}
              aria-sort={isSorted ? direction : 'none'}
              className={styles['column']}
              style={{ left: start, width: size }}
            >
              {canSort ? (
                <button type="button" className={names} tabIndex={-1} onClick={() => onSort(column.id)}>
                  {text}
                </button>
              ) : (
                <span className={names}>{text}</span>
              )}
              <span
                className={styles['grip']}
                aria-hidden="true"
                onMouseDown={(event) => headers[index]?.getResizeHandler()(event)}
                onTouchStart={(event) => headers[index]?.getResizeHandler()(event)}
              />
            </div>
          );
        })}
      </div>
    </div>
  );
}
