import type { GridColumn } from '../grid/grid-column.js';
import type { Line } from '../rows/protocol.js';
import type { ColumnKey } from '../rows/row-filter.js';
import type { Value } from '../rows/row-store.js';
import { whole } from '../text/numbers.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './results.module.css';

export interface ResultColumn extends GridColumn<Line> {
  readonly key: ColumnKey;
}

const PX_PER_CHAR = 7.4;
const [LEAST_PX, MOST_PX] = [96, 420];

/** The columns of a result: those of the query, and those that say where a row comes from. */
export function resultColumns(
  names: readonly string[],
  mode: 'raw' | 'group',
  sample: readonly Line[],
): readonly ResultColumn[] {
  const own = names.map((name, at): ResultColumn => {
    const values = sample.map((line) => line.values[at] ?? null);
    const isNumber =
      values.some((value) => typeof value === 'number') && !values.some((one) => typeof one === 'string');
    return {
      id: String(at),
      key: at,
      name,
      size: widthOf([name.length + 2, ...values.map((value) => lengthOf(value))]),
      isNumber,
      isMono: true,
      cell: (line) => <Cell value={line.values[at] ?? null} />,
    };
  });
  if (mode === 'raw') return [hostColumn(sample), ...own];
  return [count('@endpoints', 'endpoints'), ...own, count('@copies', 'copies'), seenOn()];
}

/** The columns of a view that groups by one column. */
export function groupColumns(name: string): readonly ResultColumn[] {
  return [
    {
      id: 'value',
      key: 0,
      name,
      size: 360,
      isMono: true,
      isSortable: false,
      cell: ({ group }) => <Cell value={group?.value ?? null} />,
    },
    {
      id: 'rows',
      key: 0,
      name: 'rows',
      size: 100,
      isNumber: true,
      isSortable: false,
      cell: ({ group }) => whole(group?.rows ?? 0),
    },
    {
      id: 'endpoints',
      key: 0,
      name: 'endpoints',
      size: 110,
      isNumber: true,
      isSortable: false,
      cell: ({ group }) => (typeof group?.endpoints === 'number' ? whole(group.endpoints) : ''),
    },
  ];
}

export function Cell({ value }: { value: Value }) {
  if (value === null) return <span className={styles['null']}>NULL</span>;
  if (typeof value === 'object')
    return <span className={styles['null']}>{`blob, ${Math.floor(value.$blob.length * 0.75)} bytes`}</span>;
  if (typeof value === 'number') return String(value);
  return <VisibleText text={value} />;
}

function hostColumn(sample: readonly Line[]): ResultColumn {
  return {
    id: '@host',
    key: '@host',
    name: 'host',
    size: widthOf([20, ...sample.map(({ endpoint }) => endpoint?.host?.length ?? 0)]),
    cell: ({ endpoint }) => <VisibleText text={endpoint?.host ?? (endpoint === undefined ? '' : `#${endpoint.num}`)} />,
  };
}

function count(key: '@endpoints' | '@copies', name: 'endpoints' | 'copies'): ResultColumn {
  return { id: key, key, name, size: 92, isNumber: true, cell: (line) => whole(line[name] ?? 0) };
}

function seenOn(): ResultColumn {
  return {
    id: '@sample',
    key: '@sample',
    name: 'seen on',
    size: 280,
    isSortable: false,
    cell: ({ sample = [], endpoints = 0 }) => (
      <>
        <VisibleText text={sample.map(({ host, num }) => host ?? `#${num}`).join(', ')} />
        {endpoints > sample.length && <span className={styles['null']}> +{whole(endpoints - sample.length)}</span>}
      </>
    ),
  };
}

function lengthOf(value: Value): number {
  if (value === null) return 4;
  return typeof value === 'object' ? 12 : String(value).length;
}

function widthOf(lengths: readonly number[]): number {
  return Math.round(Math.min(MOST_PX, Math.max(LEAST_PX, Math.max(...lengths) * PX_PER_CHAR + 20)));
}
