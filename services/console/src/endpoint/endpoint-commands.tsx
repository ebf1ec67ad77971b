import type { Answer } from '@muster/api-client';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { useMemo } from 'react';
import { client } from '../api/client.js';
import { Grid } from '../grid/grid.js';
import type { GridColumn } from '../grid/grid-column.js';
import { useTime } from '../preferences/time.js';
import { Empty, Failure, Waiting } from '../ui/notice.js';
import { VisibleText } from '../ui/visible-text.js';
import { firstFilled, noneTitle } from './newest-commands.js';
import styles from './endpoint.module.css';

/** The server reads the journals of many commands for it. */
const REFRESH_MS = 60_000;
const SHOWN = 50;

type Listed = Answer<'GET /v1/commands'>['items'][number];

/** What was commanded of this endpoint lately, and how each command fares on it. */
export function EndpointCommands({ agentId }: { agentId: string }) {
  const time = useTime();
  const navigate = useNavigate();
  const commands = useQuery({
    queryKey: ['commands', 'of', agentId],
    queryFn: ({ signal }) =>
      firstFilled((cursor) =>
        client.call('GET /v1/commands', { query: { agent: agentId, limit: SHOWN, cursor }, signal }),
      ),
    refetchInterval: REFRESH_MS,
  });
  const columns = useMemo<readonly GridColumn<Listed>[]>(
    () => [
      { id: 'action', name: 'action', size: 150, cell: ({ action }) => <b>{action}</b> },
      { id: 'state', name: 'here', size: 130, cell: (one) => stateOf(one) },
      { id: 'at', name: 'ordered', size: 168, cell: ({ submittedAt }) => time.full(submittedAt) },
      {
        id: 'what',
        name: 'what happened',
        size: 360,
        cell: ({ agentTargets = [] }) => (
          <VisibleText
            text={agentTargets
              .flatMap(({ message, effects = [] }) => [message, ...effects])
              .filter(Boolean)
              .join('; ')}
            max={300}
          />
        ),
      },
      { id: 'by', name: 'by', size: 120, cell: ({ operator }) => <VisibleText text={operator.name} max={60} /> },
      { id: 'reason', name: 'reason', size: 260, cell: ({ reason = '' }) => <VisibleText text={reason} max={160} /> },
    ],
    [time],
  );
  const items = commands.data?.items;
  return (
    <>
      {commands.error !== null && <Failure error={commands.error} onRetry={() => void commands.refetch()} />}
      {items === undefined && commands.error === null && <Waiting what="Reading commands…" />}
      {commands.data?.items.length === 0 && <Empty title={noneTitle(commands.data)} />}
      {items !== undefined && items.length > 0 && (
        <div className={styles['list']}>
          <Grid
            label="Commands of this endpoint"
            columns={columns}
            length={items.length}
            rowAt={(place) => items[place]}
            onOpen={({ id }) => void navigate({ to: '/commands/$commandId', params: { commandId: id } })}
          />
        </div>
      )}
      {commands.data?.nextCursor !== undefined && <p className={styles['soft']}>Older commands are under Commands.</p>}
    </>
  );
}

/** One endpoint is a target more than once where rows bind the command. */
function stateOf({ agentTargets = [], dryRun }: Listed): string {
  const states = [...new Set(agentTargets.map(({ state }) => state.replaceAll('_', ' ')))];
  return `${states.join(', ')}${dryRun ? ', dry run' : ''}`;
}
