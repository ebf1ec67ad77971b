import type { LedgerJson } from '@muster/api-contract';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { client } from '../api/client.js';
import { plural } from '../text/numbers.js';
import { Failure, Waiting } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './scans.module.css';

const SHOWN = 1_000;

/** Who is in a part of the ledger of a scan, and why. */
export function MissingDrawer({
  scanId,
  outcome,
  ledger,
  onClose,
}: {
  scanId: string;
  outcome: string;
  ledger: LedgerJson;
  onClose: () => void;
}) {
  const count = (ledger as unknown as Record<string, number | undefined>)[outcome] ?? 0;
  const isNamed = outcome !== 'answered' && outcome !== 'empty';
  const names = useQuery({
    queryKey: ['scan', scanId, 'endpoints', count],
    queryFn: ({ signal }) =>
      client.call('GET /v1/queries/{id}/endpoints', { params: { id: scanId }, query: { limit: SHOWN }, signal }),
    enabled: isNamed && outcome !== 'waiting',
  });
  const items = (names.data?.items ?? []).filter((one) => one.outcome === outcome);
  return (
    <Panel kind="drawer" title={`${outcome.replaceAll('_', ' ')}: ${plural(count, 'endpoint')}`} onClose={onClose}>
      {outcome === 'answered' && (
        <p>{plural(count, 'endpoint')} ran the checks. Open a check for who has which outcome.</p>
      )}
      {outcome === 'waiting' && <p>{plural(count, 'endpoint')} have not answered yet.</p>}
      {names.error !== null && <Failure error={names.error} />}
      {isNamed && outcome !== 'waiting' && names.data === undefined && names.error === null && (
        <Waiting what="Reading names…" />
      )}
      {items.map(({ num, host, agentId, message }) => (
        <div key={num} className={styles['missing']}>
          {agentId === null ? (
            `#${num}`
          ) : (
            <Link to="/fleet/$agentId" params={{ agentId }}>
              <VisibleText text={host ?? `#${num}`} max={80} />
            </Link>
          )}
          <small>
            <VisibleText text={message} max={300} />
          </small>
        </div>
      ))}
      {names.data?.nextCursor !== undefined && <p>There are more; `muster queries endpoints` has all.</p>}
    </Panel>
  );
}
