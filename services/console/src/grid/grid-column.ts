import type { ReactNode } from 'react';

export interface GridColumn<T> {
  readonly id: string;
  readonly name: string;
  readonly size: number;
  readonly isNumber?: boolean;
  readonly isMono?: boolean;
  readonly isSortable?: boolean;
  readonly cell: (row: T) => ReactNode;
}

export interface GridSelection<T> {
  readonly has: (row: T) => boolean;
  /** `to` is where a range that began at the last toggled row ends. */
  readonly toggle: (row: T, place: number, isRange: boolean) => void;
}

export interface GridSort {
  readonly id: string;
  readonly descending: boolean;
}

/** A column that is in sight, and where. */
export interface PlacedColumn<T> {
  readonly column: GridColumn<T>;
  readonly start: number;
  readonly size: number;
  readonly index: number;
}
