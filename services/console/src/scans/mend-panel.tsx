import type { MendJson, PackCheckJson, ScanJson } from '@muster/api-contract';
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { ActPanel } from '../act/act-panel.js';
import { useActions } from '../act/use-action.js';
import { client } from '../api/client.js';
import { Empty, Failure, Notice, Waiting } from '../ui/notice.js';
import { Panel } from '../ui/panel.js';
import { mendGaps, mendTarget } from './mend-plan.js';

interface MendProps {
  readonly scan: ScanJson;
  readonly check: PackCheckJson;
  readonly onClose: () => void;
}

/**
 * Mends what failed in a scan: opens the command that the API plans for exactly those endpoints, which is tried without
 * changing anything first. It is bound to their evidence, unless the pack names the object itself; who has an exception
 * is left alone.
 */
export function MendPanel({ scan, check, onClose }: MendProps) {
  const actions = useActions();
  const plan = useQuery({
    queryKey: ['scan', scan.id, 'mend', check.id],
    queryFn: ({ signal }) =>
      client.call('GET /v1/scans/{id}/mend', { params: { id: scan.id }, query: { check: check.id }, signal }),
    // Who opens it again may have mended some, and reads it anew; while it is open it stays as it is.
    staleTime: Infinity,
    gcTime: 0,
  });
  const error = actions.error ?? plan.error;
  const action = actions.data?.items.find(({ name }) => name === plan.data?.action);
  const target = useMemo(
    () => (plan.data === undefined || action === undefined ? undefined : mendTarget(plan.data, action)),
    [plan.data, action],
  );
  if (target !== undefined && action !== undefined && plan.data !== undefined)
    return (
      <ActPanel
        target={target}
        platforms={check.platforms}
        preset={{
          action: action.name,
          params: plan.data.params,
          reason: `mends ${check.id} of ${scan.pack.id}, scan ${scan.id}`,
        }}
        onClose={onClose}
      >
        <Gaps plan={plan.data} />
      </ActPanel>
    );
  return (
    <Panel kind="dialog" title="Mend" onClose={onClose}>
      {error !== null && <Failure error={error} />}
      {error === null && (plan.data === undefined || actions.data === undefined) && (
        <Waiting what="Looking who failed…" />
      )}
      {plan.data !== undefined && actions.data !== undefined && (
        <>
          <Empty title={action === undefined ? 'There is no action for it' : 'Nobody is left to mend'} />
          <Gaps plan={plan.data} />
        </>
      )}
    </Panel>
  );
}

function Gaps({ plan }: { plan: MendJson }) {
  const gaps = mendGaps(plan);
  if (gaps.length === 0) return null;
  return (
    <Notice tone="warning">
      {gaps.join(' ')}
      {(plan.unreadable > 0 || plan.partly > 0 || !plan.isWhole) &&
        ' `Ask what fails now` has all, and an action can be bound to its rows.'}
    </Notice>
  );
}
