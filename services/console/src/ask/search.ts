import type { ResultColumn } from './columns.js';
import type { View } from '../rows/row-view.js';

/** What the address says about the view of a result: a colleague who opens it sees the same. */
export interface AskSearch {
  readonly filter?: string;
  /** The id of a column; a minus before it for descending. */
  readonly sort?: string;
  /** The id of the column that the view groups by. */
  readonly by?: string;
}

/** Servers and proxies take addresses of 8 KiB; all else in one is short. */
const MOST_FILTER_BYTES = 6_000;

/** What of a view goes into the address: not a filter that is too long for it, which then applies in this page only. */
export function addressOf({ filter = '', ...search }: AskSearch): AskSearch {
  const isTooLong = encodeURIComponent(filter.toWellFormed()).length > MOST_FILTER_BYTES;
  return filter === '' || isTooLong ? search : { ...search, filter };
}

export function readAskSearch(search: Record<string, unknown>): AskSearch {
  const text = (name: string): string | undefined => {
    const value = search[name];
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return undefined;
    // Whole, however long: without its filter a view has all rows, and is acted on.
    return value === '' ? undefined : String(value);
  };
  const [filter, sort, by] = [text('filter'), text('sort'), text('by')];
  return {
    ...(filter === undefined ? {} : { filter }),
    ...(sort === undefined ? {} : { sort }),
    ...(by === undefined ? {} : { by }),
  };
}

/** The view that an address asks for, over the columns that there are. */
export function viewOf({ filter = '', sort, by }: AskSearch, columns: readonly ResultColumn[]): View {
  const key = (id: string | undefined) => columns.find((column) => column.id === id)?.key;
  const descending = sort?.startsWith('-') === true;
  const sortKey = key(descending ? sort?.slice(1) : sort);
  return {
    filter,
    ...(sortKey === undefined ? {} : { sort: { key: sortKey, descending } }),
    ...(key(by) === undefined ? {} : { groupBy: key(by) }),
  };
}

/** The next sort when a column's head is pressed: up, down, none. */
export function nextSort(sort: string | undefined, id: string): string | undefined {
  if (sort === id) return `-${id}`;
  return sort === `-${id}` ? undefined : id;
}
