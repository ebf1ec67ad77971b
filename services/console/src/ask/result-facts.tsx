import type { QueryJson } from '@muster/api-contract';
import { Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';
import { useTime } from '../preferences/time.js';
import type { Snapshot } from '../rows/row-source.js';
import { duration, plural, whole } from '../text/numbers.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './results.module.css';

/** Who asked what of whom and when, and how it stands. */
export function ResultFacts({ rows, query }: { rows: Snapshot; query: QueryJson }) {
  const time = useTime();
  const elapsed = useElapsed(query, rows.elapsedMs);
  return (
    <div className={styles['facts']}>
      <span className={styles['state']} data-state={query.state}>
        <b>{query.state}</b> {query.state === 'running' ? `for ${duration(elapsed)}` : `after ${duration(elapsed)}`}
      </span>
      <span>
        by <VisibleText text={query.operator.name} max={60} /> at {time.full(query.createdAt)}
      </span>
      <span>
        of <VisibleText text={query.selector === '' ? 'all endpoints' : query.selector} max={120} />
      </span>
      {query.waitUntil !== undefined && <span>waits until {time.full(query.waitUntil)}</span>}
      {rows.polling !== undefined && query.state === 'running' && (
        <span>
          {rows.polling.waiting} poll, the last hears of it by {time.clock(rows.polling.answerBy)}
        </span>
      )}
      {rows.working !== undefined && query.state === 'running' && (
        <span>
          {plural(rows.working.endpoints, 'endpoint')} at work, {whole(rows.working.looked)} files and the like looked
          at
          {rows.working.paused > 0 && `, ${whole(rows.working.paused)} standing still for others`}
        </span>
      )}
      {query.retryOf !== undefined && (
        <Link to="/ask/$queryId" params={{ queryId: query.retryOf }}>
          asks again who failed here
        </Link>
      )}
    </div>
  );
}

/** Milliseconds that the query has taken: ticking while it runs. */
function useElapsed({ state, createdAt, endedAt }: QueryJson, told: number): number {
  const [now, setNow] = useState(() => Date.now());
  const isRunning = state === 'running';
  useEffect(() => {
    if (!isRunning) return undefined;
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [isRunning]);
  if (endedAt !== undefined) return Math.max(0, Date.parse(endedAt) - Date.parse(createdAt));
  return isRunning ? Math.max(told, now - Date.parse(createdAt), 0) : told;
}
