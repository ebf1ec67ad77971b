import type { ScanEndpointJson, ScanJson } from '@muster/api-contract';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { client } from '../api/client.js';
import { whole } from '../text/numbers.js';
import { Button } from '../ui/controls.js';
import { Failure, Notice, Waiting } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './scans.module.css';

const PAGE = 200;

/** Who has an outcome of a check, in the order of enrolment. */
export function ScanEndpoints({
  scan,
  check,
  outcome,
  label,
}: {
  scan: ScanJson;
  check: string;
  outcome: ScanEndpointJson['outcome'];
  label: string;
}) {
  const { id } = scan;
  const pages = useInfiniteQuery({
    queryKey: ['scan', id, 'endpoints', check, outcome, scan.recorded],
    queryFn: ({ pageParam, signal }) =>
      client.call('GET /v1/scans/{id}/endpoints', {
        params: { id },
        query: { check, outcome, limit: PAGE, ...(pageParam === '' ? {} : { cursor: pageParam }) },
        signal,
      }),
    initialPageParam: '',
    getNextPageParam: ({ nextCursor }) => nextCursor,
  });
  const items = pages.data?.pages.flatMap((page) => page.items) ?? [];
  const isWhole = pages.data?.pages.every((page) => page.isWhole) !== false;
  return (
    <section aria-label={`Endpoints: ${label}`} className={styles['endpoints']}>
      <h3>Endpoints: {label}</h3>
      {pages.error !== null && <Failure error={pages.error} onRetry={() => void pages.refetch()} />}
      {pages.data === undefined && pages.error === null && <Waiting what="Reading names…" />}
      {!isWhole && (
        <Notice tone="warning">
          Not everybody is known by name: this scan kept some of each group only. A scan with `--detail endpoints` keeps
          all.
        </Notice>
      )}
      {pages.data !== undefined && items.length === 0 && <p className={styles['soft']}>Nobody is known by name.</p>}
      {items.map(({ num, agentId, host, reason, exception }) => (
        <div key={num} className={styles['missing']}>
          {agentId === null ? (
            `#${num}`
          ) : (
            <Link to="/fleet/$agentId" params={{ agentId }}>
              <VisibleText text={host ?? `#${num}`} max={80} />
            </Link>
          )}
          <small>
            {exception !== undefined && <b>excepted </b>}
            {reason !== null && <VisibleText text={reason} max={200} />}
          </small>
        </div>
      ))}
      {pages.hasNextPage && (
        <div>
          <Button small isDisabled={pages.isFetchingNextPage} onPress={() => void pages.fetchNextPage()}>
            {pages.isFetchingNextPage ? 'Reading…' : `More after these ${whole(items.length)}`}
          </Button>
        </div>
      )}
    </section>
  );
}
