import type { LedgerJson, QueryJson } from '@muster/api-contract';
import type { Snapshot } from '../rows/row-source.js';
import { unanswered } from '../ledger/segments.js';
import { plural } from '../text/numbers.js';
import { Empty, Waiting } from '../ui/notice.js';

/** Why there are no rows: each cause is another sentence. */
export function NoRows({
  rows,
  query,
  ledger,
  none,
}: {
  rows: Snapshot;
  query: QueryJson;
  ledger: LedgerJson;
  /** What it means that everybody answered and there is no row. */
  none?: string | undefined;
}) {
  const failed = unanswered(ledger);
  if (query.state === 'running' && (ledger.targeted > 0 || rows.elapsedMs < 1_500))
    return <Waiting what="No rows yet." />;
  if (ledger.targeted === 0 && query.offline > 0)
    return (
      <Empty title="Nobody in scope is connected">
        <p>
          {plural(query.offline, 'endpoint')} match, and all of them are away. Choose how long to wait, and ask again:
          they answer when they return.
        </p>
      </Empty>
    );
  if (ledger.targeted === 0)
    return (
      <Empty title="Nobody matches">
        <p>No endpoint that you may see matches the selector. Look at its names and values; a label may be missing.</p>
      </Empty>
    );
  if (failed === 0 && ledger.waiting === 0)
    return (
      <Empty title={none ?? `${everybody(ledger)} answered: there is no such row`}>
        <p>This is a complete answer, not a missing one.</p>
      </Empty>
    );
  return (
    <Empty title="No rows">
      <p>
        {plural(ledger.empty, 'endpoint')} answered that there is no such row; {plural(failed, 'endpoint')} gave no
        answer. The errors say why.
      </p>
    </Empty>
  );
}

function everybody({ targeted }: LedgerJson): string {
  return targeted === 1 ? 'The endpoint' : `All ${plural(targeted, 'endpoint')}`;
}
