import type { CommandPlanJson, SubmittedCommandJson } from '@muster/api-contract';
import { useQuery } from '@tanstack/react-query';
import { client } from '../api/client.js';
import { commandSegments } from '../ledger/segments.js';
import { LedgerBar } from '../ledger/ledger-bar.js';
import { plural, whole } from '../text/numbers.js';
import { Failure } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import styles from './act.module.css';

const EXAMPLES = 5;

/** What a command would reach, and what a try said of it. */
export function Plan({
  plan,
  dryRun,
  isTrying,
}: {
  plan: CommandPlanJson | undefined;
  dryRun: SubmittedCommandJson | undefined;
  isTrying: boolean;
}) {
  const id = dryRun?.id ?? '';
  const examples = useQuery({
    queryKey: ['command', id, 'examples', dryRun?.status],
    queryFn: ({ signal }) =>
      client.call('GET /v1/commands/{id}/targets', { params: { id }, query: { limit: EXAMPLES }, signal }),
    enabled: id !== '',
  });
  if (plan === undefined) return null;
  return (
    <div className={styles['plan']} role="status">
      <b>
        {plural(plan.targets, 'target')}: {whole(plan.connected)} connected now
        {plan.unsupported > 0 && `, ${whole(plan.unsupported)} on a platform that does not know it`}
      </b>
      {plan.approval !== undefined && (
        <span>
          A second person, {plan.approval.role} or above, must approve: <VisibleText text={plan.approval.why} />.
        </span>
      )}
      {isTrying && <span className={styles['soft']}>Asking the endpoints what it would do…</span>}
      {dryRun !== undefined && (
        <>
          <LedgerBar segments={commandSegments(dryRun.ledger)} targeted={dryRun.ledger.targeted} />
          {examples.error !== null && <Failure error={examples.error} onRetry={() => void examples.refetch()} />}
          <ul>
            {(examples.data?.items ?? []).map(({ number, host, state, message, effects = [] }) => (
              <li key={number}>
                <b>
                  <VisibleText text={host ?? 'not known'} max={60} />
                </b>{' '}
                {state}: <VisibleText text={effects.length > 0 ? effects.join('; ') : message} max={300} />
              </li>
            ))}
          </ul>
        </>
      )}
    </div>
  );
}
