import {
  columnResizingFeature,
  columnSizingFeature,
  columnVisibilityFeature,
  tableFeatures,
  useTable,
  type ColumnDef,
} from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import { useEffect, useId, useMemo, useRef, useState, type KeyboardEvent, type RefObject } from 'react';
import type { GridColumn, GridSelection, GridSort, PlacedColumn } from './grid-column.js';
import { GridHead } from './grid-head.js';
import { GridRow } from './grid-row.js';
import styles from './grid.module.css';

interface GridProps<T> {
  readonly label: string;
  readonly columns: readonly GridColumn<T>[];
  readonly length: number;
  readonly rowAt: (place: number) => T | undefined;
  /** Says which rows are looked at, where they come from elsewhere. */
  readonly onLook?: (from: number, to: number) => void;
  readonly sort?: GridSort | undefined;
  readonly onSort?: ((id: string) => void) | undefined;
  readonly onOpen?: ((row: T, place: number) => void) | undefined;
  readonly selection?: GridSelection<T> | undefined;
  /** Told whether the first row is in sight. */
  readonly onTop?: ((isAtTop: boolean) => void) | undefined;
}

const FEATURES = tableFeatures({ columnSizingFeature, columnResizingFeature, columnVisibilityFeature });
const NO_ROWS: readonly never[] = [];
const ROW_PX = 26;
const HEAD_PX = 26;
const TICK_PX = 30;

/**
 * A table of any length: only rows and columns in sight are drawn. The columns' state is TanStack Table's, what is in sight TanStack
 * Virtual's; rows stay where they are, in a worker or a cache.
 */
export function Grid<T>(props: GridProps<T>) {
  const { label, columns, length, rowAt, onLook, onOpen, selection, onTop } = props;
  const id = useId();
  const box = useRef<HTMLDivElement>(null);
  const [active, setActive] = useState(-1);
  const definitions = useMemo<ColumnDef<typeof FEATURES, never>[]>(
    () => columns.map(({ id: columnId, size }) => ({ id: columnId, size, minSize: 48, maxSize: 1_600 })),
    [columns],
  );
  const table = useTable({
    features: FEATURES,
    columns: definitions,
    data: NO_ROWS as never[],
    columnResizeMode: 'onChange',
  });
  const leaves = table.getVisibleLeafColumns();
  const lead = selection === undefined ? 0 : TICK_PX;

  const { rows, across } = useSight(box, { length, lead, columns, leaves, sizes: table.state.columnSizing });
  const seen = rows.getVirtualItems();
  const [from, to] = [seen[0]?.index ?? 0, (seen.at(-1)?.index ?? -1) + 1];
  useEffect(() => onLook?.(Math.max(0, from - 60), to + 60), [onLook, from, to]);
  useEffect(() => onTop?.((rows.scrollOffset ?? 0) < ROW_PX), [onTop, rows.scrollOffset]);

  const placed = usePlaced(columns, across.getVirtualItems());
  const width = across.getTotalSize();

  const onKeyDown = gridKeys({
    ...{ box, length, rowAt, onOpen, selection, active },
    move: (place) => {
      setActive(place);
      rows.scrollToIndex(place, { align: 'auto' });
    },
  });

  return (
    <div
      ref={box}
      className={styles['grid']}
      role="grid"
      aria-label={label}
      aria-rowcount={length + 1}
      aria-colcount={leaves.length}
      aria-multiselectable={selection !== undefined}
      tabIndex={0}
      aria-activedescendant={active >= from && active < to ? `${id}-${active}` : undefined}
      onKeyDown={onKeyDown}
    >
      <GridHead placed={placed} lead={lead} width={width} table={table} sort={props.sort} onSort={props.onSort} />
      <div className={styles['body']} role="rowgroup" style={{ height: rows.getTotalSize(), width }}>
        {seen.map(({ index, start }) => {
          const row = rowAt(index);
          return (
            <GridRow
              key={index}
              id={`${id}-${index}`}
              place={index}
              start={start}
              width={width}
              row={row}
              columns={placed}
              isActive={index === active}
              isSelected={row !== undefined && selection?.has(row) === true}
              lead={lead}
              onOpen={onOpen}
              onActive={setActive}
              selection={selection}
            />
          );
        })}
      </div>
    </div>
  );
}

/** What is in sight of rows and columns, by the place of the box that scrolls. */
function useSight(
  box: RefObject<HTMLDivElement | null>,
  of: {
    readonly length: number;
    readonly lead: number;
    readonly columns: unknown;
    readonly leaves: readonly { readonly getSize: () => number }[];
    readonly sizes: unknown;
  },
) {
  const { length, lead, columns, leaves } = of;
  const rows = useVirtualizer({
    count: length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_PX,
    overscan: 12,
    scrollPaddingStart: HEAD_PX,
  });
  const across = useVirtualizer({
    count: leaves.length,
    horizontal: true,
    getScrollElement: () => box.current,
    estimateSize: (at) => leaves[at]?.getSize() ?? 120,
    paddingStart: lead,
    overscan: 3,
  });
  const sizes = JSON.stringify(of.sizes);
  useEffect(() => across.measure(), [across, sizes, columns]);
  return { rows, across };
}

interface InSight {
  readonly index: number;
  readonly start: number;
  readonly size: number;
}

/** The columns in sight with their places; the same as long as nothing moves, so that rows are not drawn again. */
function usePlaced<T>(columns: readonly GridColumn<T>[], inSight: readonly InSight[]): readonly PlacedColumn<T>[] {
  const key = inSight.map(({ index, start, size }) => `${index}:${start}:${size}`).join();
  return useMemo(
    () =>
      inSight.flatMap(({ index, start, size }) => {
        const column = columns[index];
        return column === undefined ? [] : [{ column, start, size, index }];
      }),
    // The key says all that is read of `inSight`.
    [key, columns],
  );
}

interface GridKeys<T> extends Pick<GridProps<T>, 'length' | 'rowAt' | 'onOpen' | 'selection'> {
  readonly box: RefObject<HTMLDivElement | null>;
  readonly active: number;
  readonly move: (place: number) => void;
}

/** Arrows, pages and ends move through the rows; Enter opens one, the space bar selects it. */
function gridKeys<T>({ box, length, rowAt, onOpen, selection, active, move }: GridKeys<T>) {
  return (event: KeyboardEvent): void => {
    if (event.target !== box.current || length === 0) return;
    const page = Math.max(1, Math.floor((box.current?.clientHeight ?? 260) / ROW_PX) - 2);
    const steps: Record<string, number> = {
      ArrowDown: active + 1,
      ArrowUp: active - 1,
      PageDown: active + page,
      PageUp: active - page,
      Home: 0,
      End: length - 1,
    };
    const next = steps[event.key];
    const row = rowAt(active);
    if (next !== undefined) move(Math.max(0, Math.min(length - 1, next)));
    else if (event.key === 'Enter' && row !== undefined) onOpen?.(row, active);
    else if (event.key === ' ' && row !== undefined) selection?.toggle(row, active, event.shiftKey);
    else return;
    event.preventDefault();
  };
}
