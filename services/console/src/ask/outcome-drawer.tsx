import { useQuery } from '@tanstack/react-query';
import type { EndpointsAnswer, FailureAnswer } from '../rows/protocol.js';
import type { RowSource } from '../rows/row-source.js';
import { plural, whole } from '../text/numbers.js';
import { Panel } from '../ui/panel.js';
import { Waiting } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './results.module.css';

export interface OpenOutcome {
  readonly outcome: string;
  readonly message?: string;
}

/** More names than anybody reads; the export has all. */
const MOST = 2_000;

/** Who is in a part of the ledger, and why. */
export function OutcomeDrawer({
  open,
  source,
  count,
  isGrouped,
  onClose,
}: {
  open: OpenOutcome;
  source: RowSource;
  count: number;
  isGrouped: boolean;
  onClose: () => void;
}) {
  const title = `${open.outcome.replaceAll('_', ' ')}: ${plural(count, 'endpoint')}`;
  return (
    <Panel kind="drawer" title={title} onClose={onClose}>
      {open.outcome === 'answered' && isGrouped && (
        <p>
          Equal rows were put together on their way, so the names of all who answered are not here. A row&apos;s own
          names are in its drawer; ask without grouping for every endpoint.
        </p>
      )}
      {open.outcome === 'answered' && !isGrouped && <Answered source={source} />}
      {open.outcome === 'empty' && (
        <p>
          {plural(count, 'endpoint')} answered that there is no such row. That is an answer: their names are not kept,
          which keeps a question about a large fleet small.
        </p>
      )}
      {open.outcome === 'waiting' && (
        <p>{plural(count, 'endpoint')} have not said anything yet. Each will be in another part by the deadline.</p>
      )}
      {!['answered', 'empty', 'waiting'].includes(open.outcome) && <Failed source={source} open={open} count={count} />}
    </Panel>
  );
}

function Failed({ source, open, count }: { source: RowSource; open: OpenOutcome; count: number }) {
  const { data } = useQuery({
    queryKey: ['failures', open, count],
    queryFn: () => source.ask<FailureAnswer>({ kind: 'failures', ...open }),
    gcTime: 0,
  });
  if (data === undefined) return <Waiting what="Reading names…" />;
  return (
    <div className={styles['list']}>
      {data.slice(0, MOST).map((failure) => (
        <div key={failure.num} className={styles['item']}>
          <b>
            <VisibleText text={failure.host ?? `#${failure.num}`} />
          </b>
          <span>{failure.code}</span>
          <small>
            <VisibleText text={failure.message} />
          </small>
        </div>
      ))}
      <More count={data.length} />
    </div>
  );
}

function Answered({ source }: { source: RowSource }) {
  const { data } = useQuery({
    queryKey: ['answered', source],
    queryFn: () => source.ask<EndpointsAnswer>({ kind: 'endpoints' }),
    gcTime: 0,
  });
  if (data === undefined) return <Waiting what="Reading names…" />;
  return (
    <div className={styles['list']}>
      {data.slice(0, MOST).map((one) => (
        <div key={one.num} className={styles['item']}>
          <b>
            <VisibleText text={one.host ?? `#${one.num}`} />
          </b>
          <span>{plural(one.rows, 'row')}</span>
        </div>
      ))}
      <More count={data.length} />
    </div>
  );
}

function More({ count }: { count: number }) {
  return count > MOST ? <p>{whole(count - MOST)} more; the export has all.</p> : null;
}
