import { memo, type MouseEvent } from 'react';
import type { GridSelection, PlacedColumn } from './grid-column.js';
import styles from './grid.module.css';

interface GridRowProps<T> {
  readonly id: string;
  readonly place: number;
  readonly start: number;
  readonly width: number;
  readonly row: T | undefined;
  readonly columns: readonly PlacedColumn<T>[];
  readonly isActive: boolean;
  readonly isSelected: boolean;
  readonly lead: number;
  readonly onOpen: ((row: T, place: number) => void) | undefined;
  readonly onActive: (place: number) => void;
  readonly selection: GridSelection<T> | undefined;
}

function Row<T>({ id, place, start, width, row, columns, lead, selection, ...rest }: GridRowProps<T>) {
  const names = `${styles['row']} ${rest.isActive ? styles['active'] : ''}`;
  const onClick = (event: MouseEvent): void => {
    rest.onActive(place);
    if (row === undefined) return;
    // Text that is being marked is to be copied, not opened.
    if (globalThis.getSelection()?.type === 'Range') return;
    if (selection !== undefined && (event.shiftKey || event.ctrlKey || event.metaKey))
      selection.toggle(row, place, event.shiftKey);
    else rest.onOpen?.(row, place);
  };
  return (
    <div
      id={id}
      role="row"
      aria-rowindex={place + 2}
      aria-selected={selection === undefined ? undefined : rest.isSelected}
      className={names}
      style={{ transform: `translateY(${start}px)`, width }}
      onClick={onClick}
    >
      {lead > 0 && (
        <div role="gridcell" className={`${styles['cell']} ${styles['tick']}`} style={{ width: lead }}>
          {row !== undefined && (
            <input
              type="checkbox"
              tabIndex={-1}
              aria-label={`Select row ${place + 1}`}
              checked={rest.isSelected}
              onChange={() => undefined}
              onClick={(event) => {
                event.stopPropagation();
                selection?.toggle(row, place, event.shiftKey);
              }}
            />
          )}
        </div>
      )}
      {columns.map(({ column, start: left, size, index }) => (
        <div
          key={column.id}
          role="gridcell"
          aria-colindex={index + 1}
          className={`${styles['cell']} ${column.isNumber === true ? styles['end'] : ''} ${column.isMono === true ? styles['mono'] : ''}`}
          style={{ left, width: size }}
        >
          {row === undefined ? '' : column.cell(row)}
        </div>
      ))}
    </div>
  );
}

/** A row is drawn anew only when something of it has changed. */
export const GridRow = memo(Row) as typeof Row;
