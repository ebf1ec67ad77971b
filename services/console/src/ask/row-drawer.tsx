import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Line } from '../rows/protocol.js';
import { exactFilter } from '../rows/row-filter.js';
import { plural } from '../text/numbers.js';
import { Button } from '../ui/controls.js';
import { Panel } from '../ui/panel.js';
import { VisibleText } from '../ui/visible-text.js';
import { Cell } from './columns.js';
import styles from './results.module.css';

/** The filter is in the address: a longer value would not fit beside what is there already. */
const MOST_FILTER = 500;

/** All of one row: its values, which endpoints have it, and what can be done. */
export function RowDrawer({
  line,
  columns,
  onFilter,
  onClose,
  children,
}: {
  line: Line;
  columns: readonly string[];
  onFilter: (filter: string) => void;
  onClose: () => void;
  children?: ReactNode;
}) {
  const { endpoint, endpoints = 0, copies = 0, sample = [] } = line;
  const title =
    endpoint === undefined ? `Row of ${plural(endpoints, 'endpoint')}` : (endpoint.host ?? `#${endpoint.num}`);
  const json = JSON.stringify(Object.fromEntries(columns.map((name, at) => [name, line.values[at] ?? null])), null, 2);
  return (
    <Panel kind="drawer" title={<VisibleText text={title} max={80} />} onClose={onClose}>
      <div className={styles['tools']}>
        {typeof endpoint?.agentId === 'string' && (
          <Link to="/fleet/$agentId" params={{ agentId: endpoint.agentId }}>
            Open endpoint
          </Link>
        )}
        <span className={styles['space']} />
        <Button small onPress={() => void navigator.clipboard.writeText(json)}>
          Copy as JSON
        </Button>
      </div>
      {children}
      <dl className={styles['fields']}>
        {columns.map((_, at) => (
          <Field key={at} columns={columns} line={line} at={at} onFilter={onFilter} />
        ))}
      </dl>
      {endpoint === undefined && (
        <>
          <h3>
            {plural(endpoints, 'endpoint')} gave it, {plural(copies, 'time')} in all
          </h3>
          <div className={styles['list']}>
            {sample.map(({ num, host, agentId }) => (
              <div key={num} className={styles['item']}>
                <VisibleText text={host ?? `#${num}`} />
                {agentId !== null && (
                  <Link to="/fleet/$agentId" params={{ agentId }}>
                    open
                  </Link>
                )}
              </div>
            ))}
            {endpoints > sample.length && (
              <p>{plural(endpoints - sample.length, 'more')}; ask without grouping for every name.</p>
            )}
          </div>
        </>
      )}
    </Panel>
  );
}

function Field({
  columns,
  line,
  at,
  onFilter,
}: {
  columns: readonly string[];
  line: Line;
  at: number;
  onFilter: (filter: string) => void;
}) {
  const value = line.values[at] ?? null;
  const name = columns[at] ?? '';
  const filter = exactFilter(at, value, columns);
  return (
    <>
      <dt>
        <VisibleText text={name} max={60} />
      </dt>
      <dd>
        {typeof value === 'string' ? <VisibleText text={value} max={20_000} /> : <Cell value={value} />}{' '}
        {filter.length < MOST_FILTER && (
          <Button look="quiet" small aria-label={`Filter by this ${name}`} onPress={() => onFilter(filter)}>
            ⊂
          </Button>
        )}
      </dd>
    </>
  );
}
