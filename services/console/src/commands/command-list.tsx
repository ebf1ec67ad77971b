import type { CommandJson } from '@muster/api-contract';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useMemo } from 'react';
import { client } from '../api/client.js';
import { Grid } from '../grid/grid.js';
import type { GridColumn } from '../grid/grid-column.js';
import { useTime } from '../preferences/time.js';
import { useFollow } from '../stream/use-stream.js';
import { whole } from '../text/numbers.js';
import { Empty, Failure, Waiting } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import { ApprovalCard } from './approval-card.js';
import styles from './commands.module.css';

const REFRESH_MS = 15_000;
const SHOWN = 200;

/** Approvals that wait, then every command of the last 30 days. */
export function CommandList() {
  const queryClient = useQueryClient();
  const navigate = useNavigate();
  const time = useTime();
  useFollow({ kind: 'commands' }, ({ event }) => {
    if (event === 'command') void queryClient.invalidateQueries({ queryKey: ['commands'] });
  });
  const commands = useQuery({
    queryKey: ['commands', 'all'],
    queryFn: ({ signal }) => client.call('GET /v1/commands', { query: { limit: SHOWN }, signal }),
    refetchInterval: REFRESH_MS,
  });
  const waiting = useQuery({
    queryKey: ['commands', 'awaiting_approval'],
    queryFn: ({ signal }) =>
      client.call('GET /v1/commands', { query: { status: 'awaiting_approval', limit: 200 }, signal }),
    refetchInterval: REFRESH_MS,
  });
  const columns = useMemo<readonly GridColumn<CommandJson>[]>(
    () => [
      { id: 'at', name: 'ordered', size: 168, cell: ({ submittedAt }) => time.full(submittedAt) },
      { id: 'action', name: 'action', size: 170, cell: ({ action }) => <b>{action}</b> },
      { id: 'status', name: 'status', size: 130, cell: (one) => statusOf(one) },
      { id: 'target', name: 'for', size: 240, cell: ({ target }) => <VisibleText text={target} max={160} /> },
      { id: 'targets', name: 'targets', size: 80, isNumber: true, cell: ({ ledger }) => whole(ledger.targeted) },
      { id: 'good', name: 'succeeded', size: 90, isNumber: true, cell: ({ ledger }) => whole(ledger.succeeded) },
      { id: 'bad', name: 'otherwise', size: 90, isNumber: true, cell: ({ ledger }) => whole(badly(ledger)) },
      { id: 'by', name: 'by', size: 120, cell: ({ operator }) => <VisibleText text={operator.name} max={60} /> },
      { id: 'reason', name: 'reason', size: 260, cell: ({ reason = '' }) => <VisibleText text={reason} max={160} /> },
    ],
    [time],
  );
  const items = commands.data?.items;
  return (
    <div className={styles['page']}>
      <h1>Commands</h1>
      {waiting.error !== null && <Failure error={waiting.error} onRetry={() => void waiting.refetch()} />}
      {(waiting.data?.items ?? []).length > 0 && (
        <section className={styles['approvals']} aria-label="Waiting for approval">
          <h2>Waiting for approval</h2>
          {waiting.data?.items.map((command) => (
            <ApprovalCard key={command.id} command={command} />
          ))}
        </section>
      )}
      {commands.error !== null && <Failure error={commands.error} onRetry={() => void commands.refetch()} />}
      {items === undefined && commands.error === null && <Waiting what="Reading commands…" />}
      {items?.length === 0 && (
        <Empty title="Nothing was ordered in the last 30 days">
          <p>Act on a row of a result, on an endpoint, or on a selection of the fleet.</p>
        </Empty>
      )}
      {items !== undefined && items.length > 0 && (
        <div className={styles['list']}>
          <Grid
            label="Commands"
            columns={columns}
            length={items.length}
            rowAt={(place) => items[place]}
            onOpen={({ id }) => void navigate({ to: '/commands/$commandId', params: { commandId: id } })}
          />
        </div>
      )}
      {commands.data?.nextCursor !== undefined && (
        <p className={styles['soft']}>The newest {SHOWN} are shown; the CLI lists older ones.</p>
      )}
    </div>
  );
}

function statusOf({ status, dryRun, cancel }: CommandJson): string {
  const words = {
    awaiting_approval: 'awaits approval',
    running: 'running',
    ended: cancel?.code.replaceAll('_', ' ') ?? 'ended',
  };
  return `${words[status]}${dryRun ? ', dry run' : ''}`;
}

/** Targets that ended without success. */
export function badly(ledger: CommandJson['ledger']): number {
  const { failed, refused, unsupported, timed_out, cancelled, expired } = ledger;
  return failed + refused + unsupported + timed_out + cancelled + expired;
}
